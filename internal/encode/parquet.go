package encode

import (
	"bytes"
	"fmt"
	"io"
	"reflect"

	parquetgo "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/compress/gzip"
	"github.com/parquet-go/parquet-go/compress/uncompressed"

	"github.com/auditferry/auditferry/schemas"
)

const (
	// A row group ends after so many rows or bytes of bodies, whichever comes
	// first. Readers split their work by row groups and want them large; a
	// writer keeps one in memory.
	rowGroupRows  = 100_000
	rowGroupBytes = 32 << 20
	// pageBytes is what a reader has to unpack to get at one value.
	pageBytes = 256 << 10
	// batchBytes of bodies are added to the columns at once. A page may exceed
	// pageBytes by as much.
	batchBytes = 128 << 10
)

// codecs are shared by all writers, which so use each other's buffers again.
// With them, too, the levels are named.
var codecs = map[schemas.Compression]compress.Codec{
	schemas.CompressionNone:   &uncompressed.Codec{},
	schemas.CompressionGzip:   &gzip.Codec{Level: gzipLevel},
	schemas.CompressionZstd:   &zstdCodec{},
	schemas.CompressionSnappy: &snappyCodec{},
}

// parquet writes one flat schema with what every reader knows: data pages of
// version 1, and PLAIN for all values. Delta encodings would save a few percent,
// but several engines refuse a file for them. Dictionaries would save 7% with
// gzip or zstd, but the library cuts their indexes into other runs on processors
// with AVX2 than on others, and a part that another worker writes again must
// be the object that is there already.
//
// The ID is a string: for UUIDs readers have bytes, or no type at all, and it
// is to be compared with what a product logs. JSON is a string as well: DuckDB
// for one reads no row of a file in which one value of the JSON type is not as
// strict as itself, whereas its JSON functions take strings. An event must not
// be able to spoil a file. Times are of microseconds, the finest unit that
// reaches the year 9999; finer digits, which occurred_at may have, are cut off
// here and are kept in NDJSON and CSV.
type parquet struct {
	to      *parquetgo.GenericWriter[any] // of which only the columns are written to
	decoder decoder
	row     row
	values  [columnCount][]parquetgo.Value // of the batch
	batch   int                            // bytes of bodies
	rows    int                            // of the row group
	bytes   int                            // of bodies of the row group
}

func newParquet(w io.Writer, compression schemas.Compression) (*parquet, error) {
	codec, ok := codecs[compression]
	if !ok {
		return nil, fmt.Errorf("encode: unknown compression %q", compression)
	}
	// The options go in one by one: those gathered in a WriterConfig cannot
	// switch off what is on by default.
	return &parquet{to: parquetgo.NewGenericWriter[any](w,
		parquetSchema,
		parquetgo.Compression(codec),
		// The version of the library must not show in the bytes.
		parquetgo.CreatedBy("auditferry", "1.0.0", "1"),
		parquetgo.DataPageVersion(1),
		// Bounds of pages stand in the index, shortened. In the headers of pages
		// they would be whole values, four of them.
		parquetgo.DataPageStatistics(false),
		parquetgo.PageBufferSize(pageBytes),
		parquetgo.WriteBufferSize(sinkBuffer),
		parquetgo.ColumnPageBuffers(&pagePool{}),
	)}, nil
}

// write implements encoder.
func (p *parquet) write(block []byte) error {
	for body := range bytes.Lines(block) {
		if err := p.decoder.decode(body[:len(body)-1], &p.row); err != nil {
			return err
		}
		p.add()
		if p.batch += len(body); p.batch >= batchBytes {
			if err := p.endBatch(); err != nil {
				return err
			}
		}
	}
	return p.endBatch() // its values point into the block
}

// finish implements encoder.
func (p *parquet) finish() error { return p.to.Close() }

// add puts the row's values into the batch.
func (p *parquet) add() {
	for i := range columns {
		column, cell := &columns[i], p.row.cells[i]
		var value parquetgo.Value // null
		switch {
		case cell == nil:
		case column.kind == kindNumber:
			value = parquetgo.Int64Value(p.row.seq)
		case i == int(colRecordedAt):
			value = parquetgo.Int64Value(p.row.recordedAt.UnixMicro())
		case i == int(colOccurredAt):
			value = parquetgo.Int64Value(p.row.occurredAt.UnixMicro())
		default:
			value = parquetgo.ByteArrayValue(cell)
		}
		present := 0
		if cell != nil && !column.required {
			present = 1
		}
		p.values[i] = append(p.values[i], value.Level(0, present, i))
	}
}

// endBatch hands the batch to the columns, which copy it, and ends the row
// group when it is full.
func (p *parquet) endBatch() error {
	rows := len(p.values[0])
	for i, column := range p.to.ColumnWriters() {
		if n, err := column.WriteRowValues(p.values[i]); err != nil {
			return err
		} else if n != rows {
			return fmt.Errorf("column %s took %d of %d rows", columns[i].name, n, rows)
		}
		p.values[i] = p.values[i][:0]
	}
	p.decoder.reset()
	p.rows += rows
	p.bytes += p.batch
	p.batch = 0
	if p.rows < rowGroupRows && p.bytes < rowGroupBytes {
		return nil
	}
	p.rows, p.bytes = 0, 0
	return p.to.Flush()
}

var parquetSchema = parquetgo.NewSchema("audit_event", parquetRoot{})

// parquetRoot is a group whose fields stay in the order of columns; the
// library's own sorts them by name.
type parquetRoot struct{ parquetgo.Group }

// Fields implements parquetgo.Node.
func (parquetRoot) Fields() []parquetgo.Field {
	fields := make([]parquetgo.Field, columnCount)
	for i := range columns {
		fields[i] = parquetField{parquetNode(column(i)), columns[i].name}
	}
	return fields
}

func parquetNode(c column) parquetgo.Node {
	var node parquetgo.Node
	switch columns[c].kind {
	case kindNumber:
		node = parquetgo.Encoded(parquetgo.Int(64), &parquetgo.Plain)
	case kindTime:
		node = parquetgo.Encoded(parquetgo.Timestamp(parquetgo.Microsecond), &parquetgo.Plain)
	case kindText, kindJSON:
		node = parquetgo.Encoded(parquetgo.Leaf(indexedText{parquetgo.String().Type()}), &parquetgo.Plain)
	}
	if !columns[c].required {
		node = parquetgo.Optional(node)
	}
	return node
}

type parquetField struct {
	parquetgo.Node
	name string
}

// Name implements parquetgo.Field.
func (f parquetField) Name() string { return f.name }

// Value implements parquetgo.Field for rows that are structs; these are not.
func (f parquetField) Value(reflect.Value) reflect.Value { return reflect.Value{} }
