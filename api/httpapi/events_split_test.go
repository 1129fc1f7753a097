package httpapi

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzSplitArray holds that an array is taken apart as a JSON decoder does it,
// and that what is no JSON array is either refused or has a member that is no
// JSON, at which the service refuses it.
func FuzzSplitArray(f *testing.F) {
	for _, body := range []string{
		`[]`, " [ ] \n", `[{"a":"],[\"\\"}, {"b":[1,[2]]}]`, `[1,null,"x",[]]`, `[1,]`, `[,1]`, `[1 2]`, `[{]`, `[}]`, `[[1]`, `[1]]`, `[1] [2]`,
		`["]`, `["\"]`, `{"a":[1]}`, `[\"]`, `null`, ``, "[\u00a0]",
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var want []json.RawMessage
		isArray := json.Unmarshal(body, &want) == nil && want != nil
		batch, err := splitArray(body)
		allJSON := err == nil
		for _, event := range batch {
			allJSON = allJSON && json.Valid(event.JSON)
		}
		require.Equal(t, isArray, allJSON, "%q: %v", body, err)
		if !isArray {
			return
		}
		require.Len(t, batch, len(want))
		for i, event := range batch {
			require.Equal(t, string(want[i]), string(event.JSON))
			require.Equal(t, i, event.Place.Index)
		}
	})
}
