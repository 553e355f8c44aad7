package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"
	"unsafe"
)

// request is one request, framed and ready to be written.
type request struct {
	bytes  []byte
	isHead bool
}

// script is the sequence of requests of one connection: each response leads to the next request.
type script interface {
	// next gets the response to the previous request (nil at the start). If ok is false, the connection is closed; without bytes it is idle.
	next(previous *response) (req request, ok bool, err error)
}

type conn struct {
	fd      int
	script  script
	parser  parser
	unsent  []byte
	sentAt  time.Time
	waiting bool // for EPOLLOUT
}

// engine drives many connections from one thread with epoll, which takes two system calls per request.
// Goroutines with the runtime's poller take about twice the CPU per request, which the server on the same machine would lack.
type engine struct {
	epoll    int
	conns    map[int32]*conn
	buffer   []byte
	requests int64
	bytes    int64
	errors   int64
	first    string
	latency  histogram
}

func newEngine() (*engine, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return &engine{epoll: fd, conns: map[int32]*conn{}, buffer: make([]byte, 256<<10)}, nil
}

// add connects but sends nothing yet, because connecting is not part of the timed work.
func (e *engine) add(address string, s script) error {
	ip, err := net.ResolveTCPAddr("tcp4", address)
	if err != nil {
		return err
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	to := &syscall.SockaddrInet4{Port: ip.Port}
	copy(to.Addr[:], ip.IP.To4())
	if err := syscall.Connect(fd, to); err != nil {
		return fmt.Errorf("connect %s: %w", address, err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		return err
	}
	if err := syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1); err != nil {
		return err
	}
	event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)}
	if err := syscall.EpollCtl(e.epoll, syscall.EPOLL_CTL_ADD, fd, &event); err != nil {
		return err
	}
	e.conns[int32(fd)] = &conn{fd: fd, script: s}
	return nil
}

// run returns when every script has ended.
func (e *engine) run() error {
	for _, c := range e.conns {
		if err := e.advance(c, nil); err != nil {
			return err
		}
	}
	events := make([]syscall.EpollEvent, 64)
	for len(e.conns) > 0 {
		n, err := rawEpollWait(e.epoll, events, 30_000)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("epoll wait: %w", err)
		}
		if n == 0 {
			return errors.New("no answer for 30 seconds")
		}
		for _, event := range events[:n] {
			if err := e.serve(event); err != nil {
				return err
			}
		}
	}
	return syscall.Close(e.epoll)
}

func (e *engine) serve(event syscall.EpollEvent) error {
	c := e.conns[event.Fd]
	if c == nil {
		return nil
	}
	if event.Events&syscall.EPOLLOUT != 0 {
		if err := e.flush(c); err != nil {
			return err
		}
	}
	if event.Events&^syscall.EPOLLOUT != 0 {
		return e.read(c)
	}
	return nil
}

func (e *engine) read(c *conn) error {
	for {
		n, err := rawReadWrite(syscall.SYS_READ, c.fd, e.buffer)
		if err == syscall.EAGAIN || err == syscall.EINTR {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		if n == 0 {
			return fmt.Errorf("the server closed a connection: %w", io.ErrUnexpectedEOF)
		}
		done, err := c.parser.feed(e.buffer[:n])
		if err != nil {
			return err
		}
		if done {
			e.latency.add(time.Since(c.sentAt))
			e.requests++
			e.bytes += c.parser.resp.body
			return e.advance(c, &c.parser.resp)
		}
		if n < len(e.buffer) {
			return nil
		}
	}
}

func (e *engine) advance(c *conn, previous *response) error {
	if previous != nil && previous.closes {
		return errors.New("the server asked to close a keep-alive connection")
	}
	req, ok, err := c.script.next(previous)
	if err != nil {
		// The work has failed. The connection is closed, so that one wrong response is not counted a million times.
		e.errors++
		if e.first == "" {
			e.first = err.Error()
		}
		ok = false
	}
	if !ok {
		delete(e.conns, int32(c.fd))
		return syscall.Close(c.fd)
	}
	if req.bytes == nil {
		return nil
	}
	return e.send(c, req, time.Now())
}

// send writes a request, whose latency counts from since.
func (e *engine) send(c *conn, req request, since time.Time) error {
	c.parser.reset(req.isHead)
	c.unsent = req.bytes
	c.sentAt = since
	return e.flush(c)
}

func (e *engine) flush(c *conn) error {
	for len(c.unsent) > 0 {
		n, err := rawReadWrite(syscall.SYS_WRITE, c.fd, c.unsent)
		if err == syscall.EINTR {
			continue
		}
		if err == syscall.EAGAIN {
			return e.wantWrite(c, true)
		}
		if err != nil {
			return fmt.Errorf("write: %w", err)
		}
		c.unsent = c.unsent[n:]
	}
	return e.wantWrite(c, false)
}

func (e *engine) wantWrite(c *conn, want bool) error {
	if c.waiting == want {
		return nil
	}
	c.waiting = want
	event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(c.fd)}
	if want {
		event.Events |= syscall.EPOLLOUT
	}
	return syscall.EpollCtl(e.epoll, syscall.EPOLL_CTL_MOD, c.fd, &event)
}

func (e *engine) report(r *result) {
	r.Requests, r.Bytes, r.Errors, r.Error = e.requests, e.bytes, e.errors, e.first
	r.P50, r.P90, r.P99 = e.latency.percentile(50), e.latency.percentile(90), e.latency.percentile(99)
}

// Raw system calls do not tell Go's scheduler that this thread may block. No other goroutine wants to run in this process, and
// the scheduler would otherwise wake a helper thread thousands of times per second to look for one.
func rawReadWrite(trap uintptr, fd int, b []byte) (int, error) {
	n, _, errno := syscall.RawSyscall(trap, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

func rawEpollWait(epoll int, events []syscall.EpollEvent, timeoutMs int) (int, error) {
	first := uintptr(unsafe.Pointer(unsafe.SliceData(events)))
	n, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_WAIT, uintptr(epoll), first, uintptr(len(events)), uintptr(timeoutMs), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// refused describes a response that a script did not expect.
func refused(what string, r *response) error {
	return fmt.Errorf("%s: status %d, %d body bytes %s", what, r.status, r.body, r.sample)
}
