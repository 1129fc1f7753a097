package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Who spends processor time.
const (
	ofPostgres = "postgres"
	ofWorker   = "worker"
	ofAPI      = "api"
	ofTemporal = "temporal"
	ofS3       = "s3"
	ofRest     = "rest"  // servers of the stack that have nothing to do here
	ofBench    = "bench" // this process, which is also the simulated cloud, and the commands it runs
)

// usage is processor time that was spent, by whom.
type usage struct {
	by     map[string]time.Duration
	others time.Duration // of the machine's programs that have nothing to do with us
	over   time.Duration // how long was measured
}

// cores is how many of ours were busy on average.
func (u usage) cores() float64 { return u.total().Seconds() / u.over.Seconds() }

// disturbance is which share of the machine others used.
func (u usage) disturbance() float64 {
	if u.over == 0 {
		return 0
	}
	return u.others.Seconds() / u.over.Seconds() / float64(runtime.NumCPU())
}

func (u usage) total() (sum time.Duration) {
	for _, spent := range u.by {
		sum += spent
	}
	return sum
}

// meter measures processor time from its making on. It reads /proc, so it works
// on Linux alone.
type meter struct {
	owners  map[int]string // pid of a tree's root: whose it is
	began   map[string]time.Duration
	machine time.Duration
	at      time.Time
}

func (b *bench) meter() (*meter, error) {
	m := &meter{owners: map[int]string{os.Getpid(): ofBench}, at: time.Now()}
	for _, p := range b.stack.Processes() {
		m.owners[p.Pid()] = ownerOf(p.Pid())
	}
	m.owners[b.worker.Pid()] = ofWorker
	var err error
	m.began, m.machine, err = m.read()
	return m, err
}

// ownerOf tells the stack's processes apart by the names of their programs.
func ownerOf(pid int) string {
	name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)) // one that has ended is nobody's
	switch program := strings.TrimSpace(string(name)); program {
	case "postgres":
		return ofPostgres
	case "versitygw":
		return ofS3
	case "temporal", "api", "worker":
		return program
	default:
		return ofRest
	}
}

// spent is what has been used since the meter was made.
func (m *meter) spent() (usage, error) {
	now, machine, err := m.read()
	if err != nil {
		return usage{}, err
	}
	u := usage{by: map[string]time.Duration{}, over: time.Since(m.at)}
	for owner, total := range now {
		u.by[owner] = total - m.began[owner]
	}
	u.others = max(machine-m.machine-u.total(), 0)
	return u, nil
}

// tick is the unit of times in /proc.
const tick = 10 * time.Millisecond

func (m *meter) read() (by map[string]time.Duration, machine time.Duration, err error) {
	if machine, err = machineTime(); err != nil {
		return nil, 0, err
	}
	processes, err := allProcesses()
	if err != nil {
		return nil, 0, err
	}
	by = map[string]time.Duration{}
	for pid := range processes {
		if owner := m.owner(processes, pid); owner != "" {
			by[owner] += processes[pid].time
		}
	}
	return by, machine, nil
}

// owner is whose tree a process is in: the nearest one's, since all that is
// started here descends from this process.
func (m *meter) owner(processes map[int]process, pid int) string {
	for pid > 1 {
		if owner, ok := m.owners[pid]; ok {
			return owner
		}
		pid = processes[pid].parent
	}
	return ""
}

// process is one as /proc tells of it.
type process struct {
	parent int
	time   time.Duration // of its own, and of its children that have ended
}

func allProcesses() (map[int]process, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(files) == 0 {
		return nil, errors.New("processor time is read from /proc, which is not there; run the benchmarks on Linux")
	}
	all := make(map[int]process, len(files))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) || err != nil && strings.Contains(err.Error(), "no such process") {
			continue // has ended meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("read processor times: %w", err)
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if all[pid], err = parseStat(text); err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
	}
	return all, nil
}

// parseStat reads the fields 4 (parent) and 14 to 17 (times) of proc_pid_stat(5).
// The second one, the name in parentheses, may hold anything.
func parseStat(text []byte) (process, error) {
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 15 {
		return process{}, errors.New("it has too few fields")
	}
	parent, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return process{}, err
	}
	var ticks int64
	for _, field := range fields[11:15] {
		n, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return process{}, err
		}
		ticks += n
	}
	return process{parent: parent, time: time.Duration(ticks) * tick}, nil
}

// machineTime is how long all processors together were not idle. Stolen time
// counts: another machine had it.
func machineTime() (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, fmt.Errorf("read the machine's processor time: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(line) // cpu user nice system idle iowait irq softirq steal ...
	if len(fields) < 9 {
		return 0, errors.New("read the machine's processor time: /proc/stat has too few fields")
	}
	var ticks int64
	for i, field := range fields[1:9] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read the machine's processor time: %w", err)
		}
		if !slices.Contains([]int{3, 4}, i) { // idle, iowait
			ticks += n
		}
	}
	return time.Duration(ticks) * tick, nil
}

// peakMemory is the most memory that a process has had resident, in bytes.
func peakMemory(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read the peak memory of a process: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("read the peak memory of a process: it has ended")
}
