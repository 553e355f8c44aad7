package main

import (
	"fmt"
	"runtime"
	"time"
)

// target is one fixed request and the expected response.
type target struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	Accept string `json:"accept"`
	// Value of the Authorization header; empty: none.
	Authorization string `json:"authorization"`
	Status        int    `json:"status"` // 0: 200
	Bytes         int64  `json:"bytes"`  // of the body; -1: any
}

type prepared struct {
	target
	request request
}

// fixedScript repeats the targets in turn until the shared deadline or the shared number of requests is reached.
type fixedScript struct {
	shared  *fixedShared
	current int
}

type fixedShared struct {
	targets  []prepared
	deadline time.Time
	left     int64 // requests still to send; only used without a deadline
}

func (s *fixedScript) next(previous *response) (request, bool, error) {
	if previous != nil {
		t := &s.shared.targets[s.current]
		if previous.status != t.Status || (t.Bytes >= 0 && previous.body != t.Bytes) {
			return request{}, false, refused(t.Method+" "+t.Path, previous)
		}
		s.current = (s.current + 1) % len(s.shared.targets)
	}
	if s.shared.deadline.IsZero() {
		if s.shared.left == 0 {
			return request{}, false, nil
		}
		s.shared.left--
	} else if time.Now().After(s.shared.deadline) {
		return request{}, false, nil
	}
	return s.shared.targets[s.current].request, true, nil
}

func fixed(o order) (result, error) {
	runtime.LockOSThread()
	shared := &fixedShared{left: o.Requests}
	for _, t := range o.Targets {
		if t.Status == 0 {
			t.Status = 200
		}
		text := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: marina-bench\r\n", t.Method, t.Path, o.Address)
		if t.Accept != "" {
			text += "Accept: " + t.Accept + "\r\n"
		}
		if t.Authorization != "" {
			text += "Authorization: " + t.Authorization + "\r\n"
		}
		shared.targets = append(shared.targets, prepared{t, request{[]byte(text + "\r\n"), t.Method == "HEAD"}})
	}
	e, err := newEngine()
	if err != nil {
		return result{}, err
	}
	if o.Rate > 0 {
		return pacedRun(o, e, shared.targets)
	}
	addresses := o.Addresses
	if len(addresses) == 0 {
		addresses = []string{o.Address}
	}
	for i := range o.Connections {
		// Connections start at different targets, so that all targets are in use at any moment.
		if err := e.add(addresses[i%len(addresses)], &fixedScript{shared: shared, current: i % len(shared.targets)}); err != nil {
			return result{}, err
		}
	}
	var r result
	watch := startWatch()
	if o.Seconds > 0 {
		shared.deadline = watch.start.Add(time.Duration(o.Seconds * float64(time.Second)))
	}
	if err := e.run(); err != nil {
		return result{}, err
	}
	watch.stop(&r)
	e.report(&r)
	r.Count = r.Requests
	return r, nil
}

func pacedRun(o order, e *engine, targets []prepared) (result, error) {
	shared := &pacedShared{targets: targets, left: int64(o.Rate * o.Seconds)}
	for range o.Connections {
		if err := e.add(o.Address, &pacedScript{shared: shared}); err != nil {
			return result{}, err
		}
	}
	var r result
	watch := startWatch()
	if err := e.paced(shared, o.Rate); err != nil {
		return result{}, err
	}
	watch.stop(&r)
	e.report(&r)
	r.Count = r.Requests
	return r, nil
}
