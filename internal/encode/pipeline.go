package encode

import (
	"errors"
	"fmt"
	"sync/atomic"
)

const (
	// blockBytes is large, so that a hand-over costs nothing beside the work
	// on the block.
	blockBytes = 1 << 20
	// blocksInFlight bounds memory: one is filled, one encoded, one waits.
	blocksInFlight = 3
)

var errEnded = errors.New("encode: the writer has ended")

// pipeline gathers rows in blocks and has full ones encoded in a goroutine,
// while the next rows come in from the database.
type pipeline struct {
	current []byte
	full    chan []byte
	free    chan []byte

	ended   bool  // Close or Abort was called
	result  error // of the first of them
	aborted atomic.Bool
	failure atomic.Pointer[error] // of the encoder
	done    chan struct{}         // closed when the goroutine is over
}

func newPipeline(to encoder) *pipeline {
	p := &pipeline{
		full: make(chan []byte, blocksInFlight),
		free: make(chan []byte, blocksInFlight),
		done: make(chan struct{}),
	}
	for range blocksInFlight - 1 {
		p.free <- nil // allocated when first used: most objects need one block
	}
	go p.run(to)
	return p
}

// appendLine adds a row and a line feed. A row longer than a block makes one
// longer block.
func (p *pipeline) appendLine(row []byte) error {
	if p.ended {
		return errEnded
	}
	if err := p.failed(); err != nil {
		return err
	}
	if len(p.current) > 0 && len(p.current)+len(row)+1 > blockBytes {
		p.full <- p.current
		p.current = <-p.free
	}
	p.current = append(append(p.current, row...), '\n')
	return nil
}

func (p *pipeline) close() error {
	if p.ended {
		return p.result
	}
	p.ended = true
	p.full <- p.current
	close(p.full)
	<-p.done
	p.result = p.failed()
	return p.result
}

func (p *pipeline) abort() {
	if p.ended {
		return
	}
	p.ended = true
	p.result = errEnded
	p.aborted.Store(true)
	close(p.full)
	<-p.done
}

func (p *pipeline) failed() error {
	if err := p.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// run takes blocks until there are no more. After a failure it still takes
// them, so that nobody waits for it.
func (p *pipeline) run(to encoder) {
	defer close(p.done)
	for block := range p.full {
		if p.failed() == nil && !p.aborted.Load() {
			p.note(to.write(block))
		}
		p.free <- block[:0]
	}
	if p.failed() == nil && !p.aborted.Load() {
		p.note(to.finish())
	}
}

func (p *pipeline) note(err error) {
	if err != nil {
		err = fmt.Errorf("encode: write a block: %w", err)
		p.failure.Store(&err)
	}
}
