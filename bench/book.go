package main

import (
	"cmp"
	"slices"
	"time"
)

// sample is one measurement.
type sample struct {
	events int64
	raw    int64 // bytes of the events' canonical JSON
	stored int64 // bytes that were written; 0: none were
	wall   time.Duration
	usage  usage
	peak   int64 // most memory that the worker had, in bytes; 0: no worker had a part
	run    *temporalRun
	parts  int // objects
}

func (s sample) perSecond() float64 { return float64(s.events) / s.wall.Seconds() }

// figure is what was measured under one name. Of several samples the median
// counts.
type figure struct {
	section string
	name    string
	command string
	samples []sample
	failure string // why there is none
}

func (f *figure) median() sample {
	if len(f.samples) == 0 {
		return sample{}
	}
	sorted := slices.SortedFunc(slices.Values(f.samples), func(a, b sample) int { return cmp.Compare(a.wall, b.wall) })
	return sorted[(len(sorted)-1)/2]
}

// spread is the shortest and the longest time.
func (f *figure) spread() (shortest, longest time.Duration) {
	for i, s := range f.samples {
		if i == 0 || s.wall < shortest {
			shortest = s.wall
		}
		longest = max(longest, s.wall)
	}
	return shortest, longest
}

// book keeps what has been measured, in order.
type book struct {
	figures []*figure
	hashing time.Duration // processor time for the hashes of a gigabyte
}

// page finds a figure, or begins it.
func (b *book) page(section, name, command string) *figure {
	if f := b.find(section, name); f != nil {
		return f
	}
	f := &figure{section: section, name: name, command: command}
	b.figures = append(b.figures, f)
	return f
}

func (b *book) find(section, name string) *figure {
	for _, f := range b.figures {
		if f.section == section && f.name == name {
			return f
		}
	}
	return nil
}

// of gives the median of a figure; ok is false when there is none.
func (b *book) of(section, name string) (s sample, ok bool) {
	f := b.find(section, name)
	if f == nil || len(f.samples) == 0 {
		return sample{}, false
	}
	return f.median(), true
}

func (b *book) section(name string) (list []*figure) {
	for _, f := range b.figures {
		if f.section == name {
			list = append(list, f)
		}
	}
	return list
}
