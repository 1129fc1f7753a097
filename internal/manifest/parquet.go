package manifest

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/parquet-go/parquet-go"
)

// readSpooled is readObject for Parquet, which is read from its end: the object
// goes to a temporary file first, and what was not signed is never parsed.
func (a *audit) readSpooled(c claim, stream *hashing) (found *Finding, err error) {
	spool, err := os.CreateTemp(a.options.TempDir, "auditferry-*.parquet")
	if err != nil {
		return nil, fmt.Errorf("make a temporary file: %w", err)
	}
	defer func() { // closed first, since some systems do not remove an open file
		err = errors.Join(err, spool.Close(), os.Remove(spool.Name()))
	}()
	size, err := io.Copy(spool, stream)
	if err != nil {
		return nil, fmt.Errorf("copy to a temporary file: %w", err)
	}
	if changed := c.compare(stream); changed != nil {
		return changed, nil
	}
	rows := &rowCheck{claim: c}
	return rows.verdict(rows.readParquet(spool, size)), nil
}

// readParquet reads the column seq, and leaves the others alone.
func (r *rowCheck) readParquet(from io.ReaderAt, size int64) error {
	file, err := parquet.OpenFile(from, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return fmt.Errorf("it is not Parquet: %w", err)
	}
	column, found := file.Schema().Lookup("seq")
	if !found || column.Node.Type().Kind() != parquet.Int64 {
		return errors.New("it has no column seq of 64-bit integers")
	}
	for _, group := range file.RowGroups() {
		if err := r.readColumn(group.ColumnChunks()[column.ColumnIndex]); err != nil {
			return err
		}
	}
	if file.NumRows() != r.rows {
		return wrongRows("it says that it has %d rows, and holds %d", file.NumRows(), r.rows)
	}
	return r.complete()
}

func (r *rowCheck) readColumn(chunk parquet.ColumnChunk) (err error) {
	pages := chunk.Pages()
	defer func() { err = errors.Join(err, pages.Close()) }()
	values := make([]parquet.Value, 1024)
	for {
		page, err := pages.ReadPage()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("after row %d: %w", r.rows, err)
		}
		err = r.readPage(page.Values(), values)
		parquet.Release(page)
		if err != nil {
			return err
		}
	}
}

func (r *rowCheck) readPage(page parquet.ValueReader, values []parquet.Value) error {
	for {
		n, err := page.ReadValues(values)
		for _, value := range values[:n] {
			if value.IsNull() {
				return wrongRows("row %d has no seq", r.rows+1)
			}
			if err := r.see(value.Int64()); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("after row %d: %w", r.rows, err)
		}
	}
}
