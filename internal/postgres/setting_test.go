package postgres

import "context"

// Setting reads one of the session's settings as the transaction has it.
func (t *Tx) Setting(ctx context.Context, name string) (value string, err error) {
	err = t.scan(ctx, "read a setting", []any{&value}, `SELECT current_setting($1)`, name)
	return value, err
}
