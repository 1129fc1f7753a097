package encode

import (
	"bytes"
)

// csv writes a header and one line per event, as RFC 4180 says: lines end with
// CRLF, fields with a comma, quote or line break are quoted. What is absent is
// empty. Times have all the digits that they have in the body. No value is
// changed for the sake of a reader but for NUL (see kindText): spreadsheets take
// some for formulas, and psql's own \copy, before version 18, takes a line \.
// inside of a text for the end of the file. The server's COPY does not.
type csv struct {
	to      *sink
	decoder decoder
	row     row
	out     []byte
}

// csvBuffer is how many bytes are handed to the compressor at once.
const csvBuffer = 256 << 10

func newCSV(to *sink) *csv {
	c := &csv{to: to}
	for i := range columns {
		c.out = append(c.out, columns[i].name...)
		c.out = append(c.out, ',')
	}
	c.endLine()
	return c
}

// write implements encoder.
func (c *csv) write(block []byte) error {
	for body := range bytes.Lines(block) {
		c.decoder.reset()
		if err := c.decoder.decode(body[:len(body)-1], &c.row); err != nil {
			return err
		}
		c.appendRow()
		if len(c.out) >= csvBuffer {
			if err := c.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// finish implements encoder.
func (c *csv) finish() error {
	if err := c.flush(); err != nil {
		return err
	}
	return c.to.finish()
}

func (c *csv) flush() error {
	_, err := c.to.Write(c.out)
	c.out = c.out[:0]
	return err
}

func (c *csv) appendRow() {
	for i, cell := range &c.row.cells {
		if columns[i].kind == kindJSON || needsQuotes(cell) {
			c.appendQuoted(cell)
		} else {
			c.out = append(c.out, cell...)
		}
		c.out = append(c.out, ',')
	}
	c.endLine()
}

// endLine puts the line's end in the place of the last comma.
func (c *csv) endLine() {
	c.out = append(c.out[:len(c.out)-1], "\r\n"...)
}

func needsQuotes(cell []byte) bool {
	for _, c := range cell {
		if c == ',' || c == '"' || c == '\r' || c == '\n' {
			return true
		}
	}
	return false
}

// appendQuoted doubles quotes. An absent cell stays empty: readers tell it from
// an empty text by its missing quotes.
func (c *csv) appendQuoted(cell []byte) {
	if cell == nil {
		return
	}
	c.out = append(c.out, '"')
	for {
		quote := bytes.IndexByte(cell, '"')
		if quote < 0 {
			break
		}
		c.out = append(append(c.out, cell[:quote+1]...), '"')
		cell = cell[quote+1:]
	}
	c.out = append(append(c.out, cell...), '"')
}
