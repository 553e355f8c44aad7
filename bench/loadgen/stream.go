package main

import (
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"time"
)

const (
	baseBytes   = 64 << 20  // random bytes that every stream repeats; neither the registries nor the disk compress or deduplicate
	uniqueBytes = 4 << 10   // unique bytes at the end of each stream, so that the digest of the bytes before is computed only once
	chunkBytes  = 256 << 10 // size of one chunk of a PATCH
	writeBytes  = 1 << 20
	readBytes   = 4 << 20
)

// stream is one blob to push, prepared before the clock starts.
type stream struct {
	unique []byte
	digest string
}

func prepare(o order) (base []byte, streams []stream, err error) {
	base = make([]byte, baseBytes)
	random := rand.NewChaCha8(sha256.Sum256([]byte(o.Seed)))
	if _, err = random.Read(base); err != nil {
		return nil, nil, err
	}
	common := sha256.New()
	for at := int64(0); at < o.Bytes-uniqueBytes; at += baseBytes {
		common.Write(base[:min(baseBytes, o.Bytes-uniqueBytes-at)])
	}
	state, err := common.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return nil, nil, err
	}
	for range o.Parallel {
		s := stream{unique: make([]byte, uniqueBytes)}
		if _, err = random.Read(s.unique); err != nil {
			return nil, nil, err
		}
		h := sha256.New()
		if err = h.(encoding.BinaryUnmarshaler).UnmarshalBinary(state); err != nil {
			return nil, nil, err
		}
		h.Write(s.unique)
		s.digest = "sha256:" + hex.EncodeToString(h.Sum(nil))
		streams = append(streams, s)
	}
	return base, streams, nil
}

// client is one blocking connection. For few connections with long bodies, one thread per connection costs almost nothing.
type client struct {
	net.Conn
	address string
	parser  parser
	buffer  []byte
}

func dial(address string) (*client, error) {
	c, err := net.Dial("tcp4", address)
	if err != nil {
		return nil, err
	}
	return &client{Conn: c, address: address, buffer: make([]byte, 64<<10)}, nil
}

func (c *client) head(method, path, more string) []byte {
	return fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: marina-bench\r\n%s\r\n", method, path, c.address, more)
}

func (c *client) answer(wanted int, what string) (*response, error) {
	c.parser.reset(false)
	for {
		n, err := c.Read(c.buffer)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		done, err := c.parser.feed(c.buffer[:n])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		if !done && c.parser.resp.status == wanted {
			switch c.parser.state {
			case inBody:
				err, done = c.discard(), true
			case inChunk:
				err = c.discard()
				c.parser.state = inChunkEnd
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", what, err)
			}
		}
		if done {
			if c.parser.resp.status != wanted {
				return nil, refused(what, &c.parser.resp)
			}
			return &c.parser.resp, nil
		}
	}
}

// body writes the stream's bytes, with a length or chunked.
func (c *client) body(base []byte, s stream, total int64, chunked bool) error {
	piece := int64(writeBytes)
	if chunked {
		piece = chunkBytes
	}
	for at := int64(0); at < total; {
		var b []byte
		if at >= total-uniqueBytes {
			b = s.unique
		} else {
			from := at % baseBytes
			b = base[from:min(baseBytes, from+piece, from+total-uniqueBytes-at)]
		}
		at += int64(len(b))
		if !chunked {
			if _, err := c.Write(b); err != nil {
				return err
			}
			continue
		}
		parts := net.Buffers{fmt.Appendf(nil, "%x\r\n", len(b)), b, crlf}
		if _, err := parts.WriteTo(c.Conn); err != nil {
			return err
		}
	}
	if chunked {
		_, err := c.Write([]byte("0\r\n\r\n"))
		return err
	}
	return nil
}

// send writes a request with a body. A server that refuses the request responds and stops reading, which breaks the write. Then the
// error is its response, which says more than the broken pipe.
func (c *client) send(head []byte, base []byte, s stream, total int64, chunked bool, wanted int, what string) (*response, error) {
	if _, err := c.Write(head); err != nil {
		return nil, err
	}
	written := c.body(base, s, total, chunked)
	r, err := c.answer(wanted, what)
	if err != nil {
		return nil, errors.Join(err, written)
	}
	return r, written
}

func (c *client) upload(o order, base []byte, s stream) error {
	if _, err := c.Write(c.head("POST", "/v2/"+o.Repositories[0]+"/blobs/uploads/", "Content-Length: 0\r\n")); err != nil {
		return err
	}
	r, err := c.answer(202, "POST upload")
	if err != nil {
		return err
	}
	const octets = "Content-Type: application/octet-stream\r\n"
	path := pathOf(r.location)
	if o.Form == "put" {
		head := c.head("PUT", withQuery(path, "digest="+s.digest), fmt.Sprintf("%sContent-Length: %d\r\n", octets, o.Bytes))
		_, err = c.send(head, base, s, o.Bytes, false, 201, "PUT of a stream")
		return err
	}
	if r, err = c.send(c.head("PATCH", path, octets+"Transfer-Encoding: chunked\r\n"), base, s, o.Bytes, true, 202, "PATCH of a stream"); err != nil {
		return err
	}
	if r.location != "" {
		path = pathOf(r.location)
	}
	if _, err := c.Write(c.head("PUT", withQuery(path, "digest="+s.digest), "Content-Length: 0\r\n")); err != nil {
		return err
	}
	_, err = c.answer(201, "closing PUT")
	return err
}

// together runs one task per connection, starts all at the same time, and measures the total time.
func together(o order, task func(c *client, i int) error) (result, error) {
	clients := make([]*client, o.Parallel)
	for i := range clients {
		c, err := dial(o.Address)
		if err != nil {
			return result{}, err
		}
		clients[i] = c
	}
	var (
		r    result
		h    histogram
		wait sync.WaitGroup
		lock sync.Mutex
	)
	watch := startWatch()
	for i, c := range clients {
		wait.Add(1)
		go func() {
			defer wait.Done()
			err := errors.Join(task(c, i), c.Close())
			lock.Lock()
			defer lock.Unlock()
			took := time.Since(watch.start)
			h.add(took)
			if r.Fastest == 0 {
				r.Fastest = took.Seconds()
			}
			r.Slowest = took.Seconds()
			if err != nil {
				r.Errors++
				r.Error = err.Error()
				return
			}
			r.Count++
			r.Bytes += o.Bytes
		}()
	}
	wait.Wait()
	watch.stop(&r)
	r.P50, r.P90, r.P99 = h.percentile(50), h.percentile(90), h.percentile(99)
	return r, nil
}

func upload(o order) (result, error) {
	base, streams, err := prepare(o)
	if err != nil {
		return result{}, err
	}
	r, err := together(o, func(c *client, i int) error { return c.upload(o, base, streams[i]) })
	r.Digest = streams[0].digest
	return r, err
}

// again opens a new connection, because the server has announced that it closes this one.
func (c *client) again() error {
	if err := c.Close(); err != nil {
		return err
	}
	next, err := dial(c.address)
	if err != nil {
		return err
	}
	*c = *next
	return nil
}

// download pulls one path on each connection, a number of times. It checks the number of bytes. The bench verifies the digest once,
// outside of the timed part.
func download(o order) (result, error) {
	r, err := together(o, func(c *client, _ int) error {
		for i := range max(1, o.Times) {
			if i > 0 && c.parser.resp.closes {
				if err := c.again(); err != nil {
					return err
				}
			}
			if _, err := c.Write(c.head("GET", o.Path, "")); err != nil {
				return err
			}
			got, err := c.answer(200, "GET of a stream")
			if err != nil {
				return err
			}
			if got.body != o.Bytes {
				return fmt.Errorf("%d bytes came instead of %d", got.body, o.Bytes)
			}
		}
		return nil
	})
	r.Count *= int64(max(1, o.Times))
	r.Bytes *= int64(max(1, o.Times))
	return r, err
}

// discard removes the rest of a body or chunk from the socket without copying it. A real client runs on another machine, but here a copy would use
// CPU that the server needs, which would slow the fastest server most.
func (c *client) discard() error {
	tcp, ok := c.Conn.(*net.TCPConn)
	if !ok {
		return errors.New("not a TCP connection")
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	for c.parser.left > 0 {
		var (
			n     uintptr
			errno syscall.Errno
		)
		err := raw.Read(func(fd uintptr) bool {
			length := uintptr(min(c.parser.left, readBytes))
			n, _, errno = syscall.Syscall6(syscall.SYS_RECVFROM, fd, 0, length, syscall.MSG_TRUNC, 0, 0)
			return errno != syscall.EAGAIN
		})
		switch {
		case err != nil:
			return err
		case errno == syscall.EINTR:
			continue
		case errno != 0:
			return errno
		case n == 0:
			return io.ErrUnexpectedEOF
		}
		c.parser.left -= int64(n)
		c.parser.resp.body += int64(n)
	}
	return nil
}
