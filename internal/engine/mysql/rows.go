package mysql

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
)

// readAll reads a result as text; NULL is "".
func readAll(result driver.Rows) ([][]string, error) {
	values := make([]driver.Value, len(result.Columns()))
	var rows [][]string
	for {
		err := result.Next(values)
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		row := make([]string, len(values))
		for i, v := range values {
			switch v := v.(type) {
			case nil:
			case []byte:
				row[i] = string(v)
			default:
				row[i] = fmt.Sprint(v)
			}
		}
		rows = append(rows, row)
	}
}
