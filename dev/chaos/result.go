package chaos

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"
)

// Result is what was done and what was found. Every number is of the whole
// play.
type Result struct {
	OK   bool   `json:"ok"` // nothing lost, doubled, unlisted or open, and no Failures
	Seed uint64 `json:"seed"`

	Kills      int            `json:"kills"` // with SIGKILL
	KillsOf    map[string]int `json:"kills_of"`
	Faults     int            `json:"faults"`
	FaultsOf   map[string]int `json:"faults_of"`
	ExitsOf    map[string]int `json:"exits_of"` // ends that nobody asked for; a service manager starts them again
	CommandsOf map[string]int `json:"commands_of"`
	RefusedOf  map[string]int `json:"refused_of"` // commands that the present state did not allow

	Events    int `json:"events"`    // acknowledged to the vendor
	Delivered int `json:"delivered"` // rows in listed objects, of all exports
	// How much of it was delivered while things were being killed, in how many
	// runs: chaos that nothing works under would prove little.
	DeliveredInPlay int `json:"delivered_in_play"`
	RunsInPlay      int `json:"runs_in_play"`

	Exports   int `json:"exports"`   // deleted ones included
	Objects   int `json:"objects"`   // listed
	Manifests int `json:"manifests"` // signed, whole, and in one chain per export and place
	LeftOver  int `json:"left_over"` // of deliveries that a move or a delete has ended, as final manifests say
	Unlisted  int `json:"unlisted"`  // objects that no manifest lists, nor gives up

	Lost             int            `json:"lost"`    // acknowledged events that a live export does not list
	Doubled          int            `json:"doubled"` // events that one export lists again, or that nobody reported
	OperationsOpen   int            `json:"operations_open"`
	OperationsFailed map[string]int `json:"operations_failed"` // by what was said
	Mails            int            `json:"mails"`
	MailsDoubled     int            `json:"mails_doubled"`     // same occasion and address
	MailsUnexplained int            `json:"mails_unexplained"` // of those, without a disruption between sending and recording

	PlaySeconds     float64  `json:"play_seconds"`
	SettleSeconds   float64  `json:"settle_seconds"` // from healed to everything delivered
	DurationSeconds float64  `json:"duration_seconds"`
	Failures        []string `json:"failures"`
}

func (p *play) newResult() Result {
	r := Result{Seed: p.Seed, CommandsOf: map[string]int{}, RefusedOf: map[string]int{}, Failures: []string{}}
	r.Kills, r.KillsOf = p.journal.count("kill")
	r.Faults, r.FaultsOf = p.journal.count("fault")
	_, r.ExitsOf = p.journal.count("exit")
	r.PlaySeconds = p.journal.ended.Sub(p.began).Round(time.Second).Seconds()
	for _, o := range p.orgs {
		for kind, n := range o.commands {
			r.CommandsOf[kind] += n
		}
		for kind, n := range o.refused {
			r.RefusedOf[kind] += n
		}
	}
	return r
}

func (r *Result) fail(format string, args ...any) {
	r.Failures = append(r.Failures, fmt.Sprintf(format, args...))
}

func (r *Result) conclude(took time.Duration) {
	r.DurationSeconds = took.Round(time.Second).Seconds()
	r.OK = len(r.Failures) == 0 && r.Lost == 0 && r.Doubled == 0 && r.Unlisted == 0 && r.OperationsOpen == 0 && r.MailsUnexplained == 0
}

// Print writes the result as tables.
func (r Result) Print(out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	row := func(cells ...any) { // Flush reports
		for _, cell := range cells {
			_, _ = fmt.Fprint(t, cell, "\t")
		}
		_, _ = fmt.Fprintln(t)
	}
	section := func(title string, counts map[string]int) {
		if len(counts) == 0 {
			return
		}
		row()
		row(title)
		for _, name := range slices.Sorted(maps.Keys(counts)) {
			row("  "+name, counts[name])
		}
	}
	section("killed with SIGKILL", r.KillsOf)
	section("faults", r.FaultsOf)
	section("ended by themselves", r.ExitsOf)
	section("commands", r.CommandsOf)
	section("commands refused in that state", r.RefusedOf)
	section("operations that failed", r.OperationsFailed)
	row()
	row("kills", r.Kills)
	row("faults", r.Faults)
	row("events acknowledged", r.Events)
	row("rows delivered", r.Delivered, fmt.Sprintf("by %d exports in %d objects", r.Exports, r.Objects))
	row("  of them during the play", r.DeliveredInPlay, fmt.Sprintf("in %d runs", r.RunsInPlay))
	row("manifests verified", r.Manifests)
	row("objects left over", r.LeftOver, "of deliveries that a move or a delete has ended")
	row("objects in no list", r.Unlisted)
	row("lost", r.Lost)
	row("doubled", r.Doubled)
	row("operations open", r.OperationsOpen)
	row("mails", r.Mails)
	row("mails doubled", r.MailsDoubled, fmt.Sprintf("%d without a kill or fault between sending and recording", r.MailsUnexplained))
	row("seconds", r.DurationSeconds, fmt.Sprintf("%.0f of play, %.0f until everything was delivered", r.PlaySeconds, r.SettleSeconds))
	row("seed", r.Seed)
	if err := t.Flush(); err != nil {
		return err
	}
	for _, failure := range r.Failures { // in no column: they are long
		if _, err := fmt.Fprintln(out, "FAILED", failure); err != nil {
			return err
		}
	}
	return nil
}
