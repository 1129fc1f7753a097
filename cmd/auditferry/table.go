package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/internal/manifest"
)

// perClass is how many findings of one class are shown; --json has all.
const perClass = 10

// printReport prints a report for people: a line for each chain, what was found,
// and what it comes to.
func printReport(w io.Writer, source string, r manifest.Report) error {
	var page bytes.Buffer
	printChains(&page, r.Chains)
	printFindings(&page, "Errors", r.Findings, manifest.Error)
	printFindings(&page, "Notes", r.Findings, manifest.Note)
	printUnread(&page, r.Unread)
	say(&page, "%s\n", conclusion(source, r))
	_, err := w.Write(page.Bytes())
	return err
}

func printChains(w io.Writer, chains []manifest.Chain) {
	if len(chains) == 0 {
		return
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	say(table, "EXPORT\tFOLDER\tSEQ\tWINDOWS\tOBJECTS\tEVENTS\tEXCLUDED\tEXPIRED\tRECORDED (UTC)\tVERDICT\n")
	for _, c := range chains {
		verdict := string(c.Verdict)
		if c.Closed != "" {
			verdict += ", closed"
		}
		say(table, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%s\t%s\n", c.ExportID, folderName(c.Folder), extent(c),
			c.Windows, c.Objects, c.Rows, c.Excluded, c.Expired, period(c.RecordedFrom, c.RecordedTo), verdict)
	}
	_ = table.Flush() // into memory
	say(w, "\n")
}

func folderName(folder string) string {
	if folder == "" {
		return "."
	}
	return printable(folder)
}

// extent is the range of seq that a chain tells of.
func extent(c manifest.Chain) string {
	if c.Windows == 0 {
		return "-"
	}
	return fmt.Sprintf("%d-%d", c.FirstSeq, c.LastSeq)
}

func period(from, to *time.Time) string {
	if from == nil || to == nil {
		return "-"
	}
	const minutes = "2006-01-02 15:04"
	return from.UTC().Format(minutes) + " to " + to.UTC().Format(minutes)
}

func printFindings(w io.Writer, title string, all []manifest.Finding, severity manifest.Severity) {
	var classes []manifest.Class // in the order of the report, the gravest first
	groups := map[manifest.Class][]manifest.Finding{}
	for _, f := range all {
		if f.Severity != severity {
			continue
		}
		if groups[f.Class] == nil {
			classes = append(classes, f.Class)
		}
		groups[f.Class] = append(groups[f.Class], f)
	}
	if len(classes) == 0 {
		return
	}
	say(w, "%s:\n", title)
	for _, class := range classes {
		found := groups[class]
		say(w, "  %s (%d)\n", class, len(found))
		for _, f := range found[:min(len(found), perClass)] {
			say(w, "    %s\n", printable(where(f)))
			say(w, "      %s\n", printable(f.Message))
		}
		if more := len(found) - perClass; more > 0 {
			say(w, "    and %d more; --json prints all\n", more)
		}
	}
	say(w, "\n")
}

// where tells what a finding is about, in as few words as can be.
func where(f manifest.Finding) string {
	place := cmp.Or(f.Object, f.Manifest)
	if place == "" {
		place = "export " + f.ExportID.String()
		if f.ExportID == uuid.Nil {
			place = "the source"
		}
		if f.Folder != "" {
			place += " in " + f.Folder
		}
	}
	switch {
	case f.FirstSeq > 0 && f.LastSeq > f.FirstSeq:
		return fmt.Sprintf("%s, seq %d to %d", place, f.FirstSeq, f.LastSeq)
	case f.FirstSeq > 0:
		return fmt.Sprintf("%s, seq %d", place, f.FirstSeq)
	default:
		return place
	}
}

func printUnread(w io.Writer, unread []manifest.Unread) {
	if len(unread) == 0 {
		return
	}
	say(w, "Could not be read:\n")
	for _, u := range unread {
		say(w, "    %s\n      %s\n", printable(u.Object), printable(u.Error))
	}
	say(w, "\n")
}

// conclusion is the one sentence that matters.
func conclusion(source string, r manifest.Report) string {
	source = printable(source)
	switch r.Verdict {
	case manifest.Clean:
		var rows int64
		for _, c := range r.Chains {
			rows += c.Rows
		}
		besides := ""
		if r.LeftOver > 0 {
			besides = fmt.Sprintf(" Besides, %s left over from deliveries that were given up.", are(r.LeftOver, "object"))
		}
		return fmt.Sprintf("Clean: %s holds exactly what was delivered: %s in %s (%s), proven by %s.%s",
			source, count(rows, "event"), count(r.Objects, "object"), size(r.Bytes), count(r.Manifests, "manifest"), besides)
	case manifest.Incomplete:
		return fmt.Sprintf("INCOMPLETE: %s of %s could not be read. Nothing else is wrong, but of what was not read nothing is known.", count(len(r.Unread), "object"), source)
	default:
		errors := 0
		for _, f := range r.Findings {
			if f.Severity == manifest.Error {
				errors++
			}
		}
		statuses := make([]string, len(r.Statuses))
		for i, status := range r.Statuses {
			statuses[i] = strconv.Itoa(status)
		}
		return fmt.Sprintf("NOT CLEAN: %s in %s (%s: %s).", count(errors, "error"), source, applying(len(statuses)), strings.Join(statuses, ", "))
	}
}

// count is a number of things in words, such as 1 object or 2 objects.
func count[N int | int64](n N, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// are is a number of things of which something is said.
func are(n int64, thing string) string {
	if n == 1 {
		return count(n, thing) + " is"
	}
	return count(n, thing) + " are"
}

func applying(statuses int) string {
	if statuses == 1 {
		return "exit status"
	}
	return "exit statuses that apply"
}

func size(n int64) string {
	const kibi = 1024
	if n < kibi {
		return fmt.Sprintf("%d bytes", n)
	}
	value, unit := float64(n)/kibi, "KiB"
	for _, next := range []string{"MiB", "GiB", "TiB"} {
		if value < kibi {
			break
		}
		value, unit = value/kibi, next
	}
	return fmt.Sprintf("%.1f %s", value, unit)
}

// printable keeps keys from moving the cursor or forging lines: whoever can
// write into the folder chooses them.
func printable(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}
