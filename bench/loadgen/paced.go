package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"
	"time"
	"unsafe"
)

const (
	clockMonotonic = 1
	// A slow server may make the requests wait for a connection for this long.
	pacedLate = 30 * time.Second
)

// pacedShared sends requests at an even rate, whatever the responses take: a server that is slow for a while gets no fewer requests meanwhile.
// The latency of a request counts from when it was due, or from when this client woke up for it if that was later. So it has the wait
// for a free connection, but no delay of the client itself.
type pacedShared struct {
	targets []prepared
	left    int64 // requests that are not due yet
	turn    int   // of the targets
	due     []time.Time
	idle    []*conn
}

// pacedScript checks the responses of one connection. Between them the connection is idle.
type pacedScript struct {
	shared *pacedShared
	conn   *conn
	target int
}

func (s *pacedScript) next(previous *response) (request, bool, error) {
	t := &s.shared.targets[s.target]
	if previous.status != t.Status || (t.Bytes >= 0 && previous.body != t.Bytes) {
		return request{}, false, refused(t.Method+" "+t.Path, previous)
	}
	s.shared.idle = append(s.shared.idle, s.conn)
	return request{}, true, nil
}

// paced returns when all requests have been answered. rate: requests per second
func (e *engine) paced(shared *pacedShared, rate float64) error {
	for _, c := range e.conns {
		script, ok := c.script.(*pacedScript)
		if !ok {
			return errors.New("a connection has another script")
		}
		script.conn = c
		shared.idle = append(shared.idle, c)
	}
	timer, err := startTimer(time.Duration(float64(time.Second) / rate))
	if err != nil {
		return err
	}
	defer syscall.Close(timer)
	event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(timer)}
	if err := syscall.EpollCtl(e.epoll, syscall.EPOLL_CTL_ADD, timer, &event); err != nil {
		return err
	}
	deadline := time.Now().Add(time.Duration(float64(shared.left)/rate*float64(time.Second)) + pacedLate)
	connections := len(e.conns)
	events := make([]syscall.EpollEvent, 64)
	for shared.left > 0 || len(shared.due) > 0 || len(shared.idle) < connections {
		if time.Now().After(deadline) {
			return fmt.Errorf("%d requests were not answered in time", len(shared.due)+connections-len(shared.idle))
		}
		n, err := rawEpollWait(e.epoll, events, 1_000)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("epoll wait: %w", err)
		}
		for _, event := range events[:n] {
			if event.Fd == int32(timer) {
				if err := shared.wake(timer); err != nil {
					return err
				}
			} else if err := e.serve(event); err != nil {
				return err
			}
		}
		if e.errors > 0 {
			return nil
		}
		if err := e.sendDue(shared); err != nil {
			return err
		}
	}
	return syscall.Close(e.epoll)
}

func (e *engine) sendDue(shared *pacedShared) error {
	for len(shared.due) > 0 && len(shared.idle) > 0 {
		// The connections take turns.
		c := shared.idle[0]
		shared.idle = shared.idle[1:]
		script := c.script.(*pacedScript)
		script.target = shared.turn
		shared.turn = (shared.turn + 1) % len(shared.targets)
		if err := e.send(c, shared.targets[script.target].request, shared.due[0]); err != nil {
			return err
		}
		shared.due = shared.due[1:]
	}
	return nil
}

// wake notes the requests that have become due since the last time.
func (s *pacedShared) wake(timer int) error {
	var count [8]byte
	if _, err := syscall.Read(timer, count[:]); err != nil {
		if err == syscall.EAGAIN {
			return nil
		}
		return fmt.Errorf("read of a timer: %w", err)
	}
	now := time.Now()
	for n := min(int64(binary.NativeEndian.Uint64(count[:])), s.left); n > 0; n-- {
		s.due = append(s.due, now)
		s.left--
	}
	return nil
}

func startTimer(every time.Duration) (int, error) {
	fd, _, errno := syscall.Syscall(syscall.SYS_TIMERFD_CREATE, clockMonotonic, syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if errno != 0 {
		return 0, fmt.Errorf("timer: %w", errno)
	}
	interval := syscall.NsecToTimespec(every.Nanoseconds())
	setting := [2]syscall.Timespec{interval, interval}
	_, _, errno = syscall.Syscall6(syscall.SYS_TIMERFD_SETTIME, fd, 0, uintptr(unsafe.Pointer(&setting)), 0, 0, 0)
	if errno != 0 {
		return 0, fmt.Errorf("timer: %w", errno)
	}
	return int(fd), nil
}
