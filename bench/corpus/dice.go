package corpus

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/schemas"
)

// dice is a stream of numbers that looks random and depends on its beginning
// alone: splitmix64, written out so that no release of a library changes the
// events. https://prng.di.unimi.it/splitmix64.c
type dice struct{ state uint64 }

func newDice(seed, n uint64) *dice {
	d := &dice{state: seed ^ n*0x9e3779b97f4a7c15}
	d.state = d.next() // neighbors must not begin alike
	return d
}

func (d *dice) next() uint64 {
	d.state += 0x9e3779b97f4a7c15
	z := d.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below gives a number from 0 up to, but not, n.
func (d *dice) below(n int) int { return int(d.next() % uint64(n)) }

// skewed is below, with small numbers coming more often, the way a few people
// and a few actions make up most of a log.
func (d *dice) skewed(n int) int {
	u := float64(d.next()>>11) / (1 << 53)
	return int(u * u * u * float64(n))
}

// one is true in one of n cases.
func (d *dice) one(n int) bool { return d.below(n) == 0 }

func (d *dice) number(below int) string { return strconv.Itoa(d.below(below)) }

func pick[T any](d *dice, from []T) T { return from[d.below(len(from))] }

const digits = "0123456789abcdefghijklmnopqrstuvwxyz"

func (d *dice) base36(length int) string {
	text := make([]byte, length)
	for i := range text {
		text[i] = digits[d.below(len(digits))]
	}
	return string(text)
}

// uuid is a random UUID of version 4.
func (d *dice) uuid() uuid.UUID {
	var id uuid.UUID
	d.fill(id[:])
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id
}

// uuidV7 begins with the time, as the IDs do that Auditferry makes.
func (d *dice) uuidV7(at time.Time) uuid.UUID {
	id := d.uuid()
	ms := at.UnixMilli()
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	id[6] = id[6]&0x0f | 0x70
	return id
}

func (d *dice) fill(to []byte) {
	for i := range to {
		to[i] = byte(d.next())
	}
}

func (d *dice) address() string {
	if d.one(5) {
		return fmt.Sprintf("2001:db8:%x:%x::%x", d.below(1<<16), d.below(1<<16), d.below(1<<16))
	}
	return fmt.Sprintf("%s.%d.%d", pick(d, networks), d.below(256), d.below(256))
}

func (d *dice) userAgent() string {
	return strings.NewReplacer(
		"{version}", strconv.Itoa(118+d.below(25)),
		"{build}", strconv.Itoa(d.below(6_000)),
	).Replace(pick(d, userAgents))
}

func (d *dice) targets(kind string) []schemas.Target {
	targets := make([]schemas.Target, 1+d.skewed(2))
	for i := range targets {
		targets[i] = schemas.Target{Type: kind, ID: kind[:3] + "_" + d.base36(14), Name: d.title()}
	}
	return targets
}

// title names a thing the way people do.
func (d *dice) title() string {
	switch d.below(4) {
	case 0:
		return fmt.Sprintf("%s %s Q%d %d", pick(d, adjectives), pick(d, nouns), 1+d.below(4), 2019+d.below(8))
	case 1:
		return pick(d, nouns) + " – " + pick(d, lastNames)
	case 2:
		return pick(d, nouns) + " " + pick(d, nouns) + " v" + d.number(30)
	default:
		return pick(d, adjectives) + " " + pick(d, nouns)
	}
}

// words is a sentence of so many words, for what people write themselves.
func (d *dice) words(count int) string {
	text := make([]byte, 0, count*8)
	for i := range count {
		if i > 0 {
			text = append(text, ' ')
		}
		switch d.below(6) {
		case 0:
			text = append(text, pick(d, nouns)...)
		case 1:
			text = append(text, pick(d, adjectives)...)
		case 2:
			text = append(text, d.number(10_000)...)
		default:
			text = append(text, pick(d, verbs)...)
		}
	}
	return string(text)
}
