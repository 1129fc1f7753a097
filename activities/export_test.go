package activities

import "time"

func init() {
	// Tests that wait for a heartbeat need not wait long. No other test minds
	// more of them.
	heartbeatEvery = 100 * time.Millisecond
}
