package main

import (
	"fmt"
	"runtime"
	"strings"
	"time"
)

// walkScript reads a whole tag list, following Link headers, a number of times over one connection.
type walkScript struct {
	o       order
	left    int
	walks   int64
	tags    int
	began   time.Time
	latency histogram
}

// A tag list is {"name":"…","tags":["…",…]}. Three of its strings are not tags, and no string contains a quote.
const otherQuotes = 6

func (s *walkScript) next(previous *response) (request, bool, error) {
	path := s.o.Path
	if previous == nil {
		s.began = time.Now()
	} else {
		if previous.status != 200 {
			return request{}, false, refused("GET of a tag page", previous)
		}
		s.tags += int(previous.quotes-otherQuotes) / 2
		following, more, err := nextOf(previous.link)
		if err != nil {
			return request{}, false, err
		}
		if more {
			path = following
		} else {
			if s.tags != s.o.Tags {
				return request{}, false, fmt.Errorf("a walk found %d tags instead of %d", s.tags, s.o.Tags)
			}
			s.latency.add(time.Since(s.began))
			s.walks++
			s.left--
			if s.left == 0 {
				return request{}, false, nil
			}
			s.tags, s.began = 0, time.Now()
		}
	}
	text := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: marina-bench\r\n\r\n", path, s.o.Address)
	return request{bytes: []byte(text)}, true, nil
}

func nextOf(link string) (path string, more bool, err error) {
	if link == "" {
		return "", false, nil
	}
	from, to := strings.IndexByte(link, '<'), strings.IndexByte(link, '>')
	if from < 0 || to < from || !strings.Contains(link[to:], "next") {
		return "", false, fmt.Errorf("odd Link %q", link)
	}
	return pathOf(link[from+1 : to]), true, nil
}

func walk(o order) (result, error) {
	runtime.LockOSThread()
	countQuotes = true
	e, err := newEngine()
	if err != nil {
		return result{}, err
	}
	s := &walkScript{o: o, left: o.Times}
	if err := e.add(o.Address, s); err != nil {
		return result{}, err
	}
	var r result
	watch := startWatch()
	if err := e.run(); err != nil {
		return result{}, err
	}
	watch.stop(&r)
	e.report(&r)
	r.P50, r.P90, r.P99 = s.latency.percentile(50), s.latency.percentile(90), s.latency.percentile(99)
	r.Count = s.walks
	return r, nil
}
