package bench

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// clockTicks is USER_HZ, which is 100 on every Linux.
const clockTicks = 100

func procFile(pid int, name string) string { return filepath.Join("/proc", strconv.Itoa(pid), name) }

// cpuOf is the user and system time that a process has used; ok is false
// where the system doesn't tell it like Linux.
func cpuOf(pid int) (used time.Duration, ok bool) {
	text, err := os.ReadFile(procFile(pid, "stat"))
	if err != nil {
		return 0, false
	}
	// The name, in brackets, may hold anything.
	_, rest, ok := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 13 {
		return 0, false
	}
	user, userErr := strconv.ParseInt(fields[11], 10, 64)
	system, systemErr := strconv.ParseInt(fields[12], 10, 64)
	if userErr != nil || systemErr != nil {
		return 0, false
	}
	return time.Duration(user+system) * time.Second / clockTicks, true
}

// procFields reads lines such as "VmHWM:  1024 kB": the first number behind
// each name, in bytes where kilobytes are said.
func procFields(path string) map[string]int64 {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	fields := make(map[string]int64)
	for line := range strings.Lines(string(text)) {
		name, rest, _ := strings.Cut(line, ":")
		words := strings.Fields(rest)
		if len(words) == 0 {
			continue
		}
		n, err := strconv.ParseInt(words[0], 10, 64)
		if err != nil {
			continue
		}
		if len(words) > 1 && words[1] == "kB" {
			n *= 1024
		}
		fields[name] = n
	}
	return fields
}

// memoryOf is a process's largest and present resident memory.
func memoryOf(name string, pid int) Memory {
	status := procFields(procFile(pid, "status"))
	return Memory{Process: name, Peak: status["VmHWM"], Resident: status["VmRSS"]}
}

// writtenBy is how many bytes a process had written to disks.
func writtenBy(pid int) int64 { return procFields(procFile(pid, "io"))["write_bytes"] }

// sizeOf is how many bytes the files below a directory have.
func sizeOf(dir string) (bytes int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		stat, err := entry.Info()
		if os.IsNotExist(err) {
			return nil // a store drops files as it goes
		}
		if err == nil {
			bytes += stat.Size()
		}
		return err
	})
	if os.IsNotExist(err) {
		err = nil
	}
	return bytes, err
}

// thisMachine is what the figures were measured on.
func thisMachine() Machine {
	m := Machine{Cores: runtime.NumCPU(), Memory: procFields("/proc/meminfo")["MemTotal"], Go: runtime.Version(), OS: runtime.GOOS + "/" + runtime.GOARCH}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, model, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				m.CPU = strings.TrimSpace(model)
				break
			}
		}
	}
	return m
}

// FindBroker is the process of a Kafka broker that listens, on this machine,
// on one of these addresses; 0 where there is none, or it may not be seen.
func FindBroker(ctx context.Context, servers string) int {
	for server := range strings.SplitSeq(servers, ",") {
		host, port, err := net.SplitHostPort(strings.TrimSpace(server))
		n, portErr := strconv.ParseUint(port, 10, 16)
		if err != nil || portErr != nil || !isHere(ctx, host) {
			continue
		}
		for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
			for _, inode := range listeners(table, n) {
				if pid := ownerOf("socket:[" + inode + "]"); pid != 0 && isKafka(pid) {
					return pid
				}
			}
		}
	}
	return 0
}

// isHere reports whether a host's name stands for this machine.
func isHere(ctx context.Context, host string) bool {
	ips, err := net.DefaultResolver.LookupIPAddr(ctx, host)
	if err != nil || len(ips) == 0 {
		return false
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range own {
		if own, ok := a.(*net.IPNet); ok && (own.IP.Equal(ips[0].IP) || ips[0].IP.IsLoopback()) {
			return true
		}
	}
	return false
}

// listeners are the inodes of sockets that listen on a port.
func listeners(table string, port uint64) []string {
	text, err := os.ReadFile(table)
	if err != nil {
		return nil
	}
	const listen = "0A"
	var inodes []string
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 || fields[3] != listen {
			continue
		}
		_, hex, _ := strings.Cut(fields[1], ":")
		if n, err := strconv.ParseUint(hex, 16, 16); err == nil && n == port {
			inodes = append(inodes, fields[9])
		}
	}
	return inodes
}

// ownerOf is the process that has a file open.
func ownerOf(file string) int {
	// Those of other users can't be looked into.
	open, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, name := range open {
		if target, err := os.Readlink(name); err == nil && target == file {
			pid, _ := strconv.Atoi(strings.Split(name, "/")[2])
			return pid
		}
	}
	return 0
}

func isKafka(pid int) bool {
	line, err := os.ReadFile(procFile(pid, "cmdline"))
	return err == nil && bytes.Contains(line, []byte("kafka.Kafka"))
}
