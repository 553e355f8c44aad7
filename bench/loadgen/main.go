// Command loadgen is the client of the bench. It reads one JSON order from stdin, drives a registry over HTTP/1.1 with
// keep-alive and prints one JSON result. It shares the machine with the server, so it must use far less CPU: therefore it is
// compiled and frames HTTP itself.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"syscall"
	"time"
)

// order is one piece of work. Each mode uses the fields under its comment.
type order struct {
	Mode    string `json:"mode"`
	Address string `json:"address"`

	// fixed
	Targets []target `json:"targets"`
	// Connections go to these in turn; without them, all to Address.
	Addresses   []string `json:"addresses"`
	Connections int      `json:"connections"`
	Seconds     float64  `json:"seconds"`
	Requests    int64    `json:"requests"`
	Rate        float64  `json:"rate"` // requests per second; 0: as fast as responses come

	// push
	Repositories []string `json:"repositories"`
	LayerBytes   int      `json:"layerBytes"`
	ConfigDigest string   `json:"configDigest"`
	ConfigBytes  int      `json:"configBytes"`
	Seed         string   `json:"seed"`

	// upload, download, walk
	Parallel int    `json:"parallel"`
	Bytes    int64  `json:"bytes"`
	Form     string `json:"form"`
	Path     string `json:"path"`

	// secure (also path, parallel, times or seconds, bytes)
	CA    string `json:"ca"`
	Tags  int    `json:"tags"`
	Times int    `json:"times"`
}

// result is the result of every mode. Count is in the mode's unit: requests, complete images, streams or walks.
type result struct {
	Count    int64   `json:"count"`
	Requests int64   `json:"requests"`
	Bytes    int64   `json:"bytes"`
	Errors   int64   `json:"errors"`
	Error    string  `json:"error,omitempty"`
	Seconds  float64 `json:"seconds"`
	P50      float64 `json:"p50ms"`
	P90      float64 `json:"p90ms"`
	P99      float64 `json:"p99ms"`
	// Fastest and Slowest are the seconds of the first and the last connection to finish. Only for upload and download.
	Fastest float64 `json:"fastest,omitempty"`
	Slowest float64 `json:"slowest,omitempty"`
	// Busy is the share of one core that this client used. Near 1, the client is the bottleneck, not the server.
	Busy float64 `json:"busy"`
	// Digest is the digest of the first stream of an upload.
	Digest string `json:"digest,omitempty"`
}

func main() {
	// The heap is small and steady, so rarer collections cost little memory and leave more CPU to the server.
	debug.SetGCPercent(800)
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "loadgen:", err)
		os.Exit(1)
	}
}

func run() error {
	var o order
	if err := json.NewDecoder(os.Stdin).Decode(&o); err != nil {
		return fmt.Errorf("no order on stdin: %w", err)
	}
	modes := map[string]func(order) (result, error){
		"fixed": fixed, "push": push, "upload": upload, "download": download, "walk": walk,
		"secure": secureGet,
	}
	mode, known := modes[o.Mode]
	if !known {
		return fmt.Errorf("unknown mode %q", o.Mode)
	}
	r, err := mode(o)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// stopwatch measures wall time and this process's own CPU over the timed part.
type stopwatch struct {
	start time.Time
	cpu   time.Duration
}

func startWatch() stopwatch {
	return stopwatch{start: time.Now(), cpu: cpuTime()}
}

func (w stopwatch) stop(r *result) {
	elapsed := time.Since(w.start)
	r.Seconds = elapsed.Seconds()
	r.Busy = (cpuTime() - w.cpu).Seconds() / r.Seconds
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // This cannot fail with these arguments.
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
