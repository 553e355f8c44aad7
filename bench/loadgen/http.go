package main

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// response is the head of a response and the progress of its body. Values of the head are copied, because buffers are reused.
type response struct {
	status   int
	length   int64 // -1: unknown (chunked)
	chunked  bool
	closes   bool
	location string
	link     string
	body     int64 // body bytes seen so far
	quotes   int64 // '"' bytes in the body, which count the strings of a tag list without parsing it
	sample   []byte
}

const sampleBytes = 300

var errHead = errors.New("malformed response head")

// parseHead reads a complete head (without its closing empty line).
func parseHead(head []byte, r *response) error {
	*r = response{length: -1}
	line, rest, _ := bytes.Cut(head, crlf)
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return errHead
	}
	r.status = int(line[9]-'0')*100 + int(line[10]-'0')*10 + int(line[11]-'0')
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, crlf)
		colon := bytes.IndexByte(line, ':')
		if colon < 0 {
			return errHead
		}
		name, value := line[:colon], line[colon+1:]
		// Only five headers matter. Their lengths and first letters exclude nearly all others.
		switch {
		case is(name, "content-length"):
			n, err := strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64)
			if err != nil {
				return errHead
			}
			r.length = n
		case is(name, "transfer-encoding"):
			r.chunked = is(bytes.TrimSpace(value), "chunked")
		case is(name, "connection"):
			r.closes = is(bytes.TrimSpace(value), "close")
		case is(name, "location"):
			r.location = string(bytes.TrimSpace(value))
		case is(name, "link"):
			r.link = string(bytes.TrimSpace(value))
		}
	}
	return nil
}

var crlf = []byte("\r\n")

func is(b []byte, lower string) bool {
	return len(b) == len(lower) && b[0]|0x20 == lower[0] && strings.EqualFold(string(b), lower)
}

// parser parses a response from a byte stream incrementally.
type parser struct {
	state   int
	noBody  bool // the request was HEAD
	left    int64
	pending []byte // a head or a chunk-size line that is not complete yet
	resp    response
}

const (
	inHead = iota
	inBody
	inChunkSize
	inChunk
	inChunkEnd
	inTrailer
)

func (p *parser) reset(noBody bool) {
	p.state, p.noBody, p.pending = inHead, noBody, p.pending[:0]
}

// line returns the data before end, and the rest after it. If end is not there yet, it keeps the data and ok is false.
func (p *parser) line(data, end []byte) (line, rest []byte, ok bool) {
	if len(p.pending) == 0 {
		if i := bytes.Index(data, end); i >= 0 {
			return data[:i], data[i+len(end):], true
		}
		p.pending = append(p.pending, data...)
		return nil, nil, false
	}
	from := max(0, len(p.pending)-len(end)+1)
	before := len(p.pending)
	p.pending = append(p.pending, data...)
	i := bytes.Index(p.pending[from:], end)
	if i < 0 {
		return nil, nil, false
	}
	line = p.pending[:from+i]
	rest = data[from+i+len(end)-before:]
	p.pending = p.pending[:0] // line stays valid until the next append, which is after its use
	return line, rest, true
}

// feed consumes data and reports whether the response is complete. Requests are not pipelined, so bytes after it are an error.
func (p *parser) feed(data []byte) (bool, error) {
	for {
		switch p.state {
		case inHead:
			head, rest, ok := p.line(data, []byte("\r\n\r\n"))
			if !ok {
				return false, nil
			}
			if err := parseHead(head, &p.resp); err != nil {
				return false, err
			}
			data = rest
			r := &p.resp
			switch {
			case r.status < 200: // an interim response; the final one follows
				continue
			case p.noBody || r.status == 204 || r.status == 304 || (r.length == 0 && !r.chunked):
				return p.end(data)
			case r.chunked:
				p.state = inChunkSize
			case r.length > 0:
				p.state, p.left = inBody, r.length
			default:
				return false, errors.New("response has neither a length nor chunks")
			}
		case inBody, inChunk:
			part := data[:min(int64(len(data)), p.left)]
			p.countBody(part)
			p.left -= int64(len(part))
			data = data[len(part):]
			if p.left > 0 {
				return false, nil
			}
			if p.state == inBody {
				return p.end(data)
			}
			p.state = inChunkEnd
		case inChunkEnd:
			_, rest, ok := p.line(data, crlf)
			if !ok {
				return false, nil
			}
			data, p.state = rest, inChunkSize
		case inChunkSize:
			size, rest, ok := p.line(data, crlf)
			if !ok {
				return false, nil
			}
			digits, _, _ := bytes.Cut(size, []byte(";"))
			n, err := strconv.ParseInt(string(bytes.TrimSpace(digits)), 16, 64)
			if err != nil {
				return false, fmt.Errorf("malformed chunk size %q", size)
			}
			data, p.left, p.state = rest, n, inChunk
			if n == 0 {
				p.state = inTrailer
			}
		case inTrailer:
			trailer, rest, ok := p.line(data, crlf)
			if !ok {
				return false, nil
			}
			data = rest
			if len(trailer) == 0 {
				return p.end(data)
			}
		}
	}
}

func (p *parser) end(rest []byte) (bool, error) {
	if len(rest) > 0 {
		return false, fmt.Errorf("%d bytes after the end of a response", len(rest))
	}
	return true, nil
}

// countBody counts and samples bytes of the body.
func (p *parser) countBody(b []byte) {
	r := &p.resp
	r.body += int64(len(b))
	if r.status >= 300 && len(r.sample) < sampleBytes {
		r.sample = append(r.sample, b[:min(len(b), sampleBytes-len(r.sample))]...)
	}
	if countQuotes {
		r.quotes += int64(bytes.Count(b, []byte(`"`)))
	}
}

// countQuotes is set for walks only, where it is the cheapest proof that every tag arrived.
var countQuotes bool

// pathOf returns the request target of a Location or Link, which may be absolute or relative.
func pathOf(url string) string {
	if i := strings.Index(url, "://"); i >= 0 {
		if slash := strings.IndexByte(url[i+3:], '/'); slash >= 0 {
			return url[i+3+slash:]
		}
		return "/"
	}
	return url
}

func withQuery(path, query string) string {
	if strings.Contains(path, "?") {
		return path + "&" + query
	}
	return path + "?" + query
}
