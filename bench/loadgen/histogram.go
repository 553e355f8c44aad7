package main

import (
	"math/bits"
	"time"
)

// histogram counts durations in buckets whose width is at most 1/32 of their value, with one increment per request.
type histogram struct {
	buckets [64 * 32]int64
	total   int64
}

func (h *histogram) add(d time.Duration) {
	h.buckets[bucketOf(uint64(d))]++
	h.total++
}

func bucketOf(ns uint64) int {
	if ns < 32 {
		return int(ns)
	}
	shift := bits.Len64(ns) - 6
	return (shift+1)*32 + int(ns>>shift) - 32
}

func lowest(bucket int) uint64 {
	if bucket < 32 {
		return uint64(bucket)
	}
	shift := bucket/32 - 1
	return uint64(bucket%32+32) << shift
}

// percentile returns milliseconds; 0 if nothing was counted.
func (h *histogram) percentile(p float64) float64 {
	want := int64(float64(h.total) * p / 100)
	var seen int64
	for i, n := range h.buckets {
		seen += n
		if n > 0 && seen > want {
			return float64(lowest(i)) / 1e6
		}
	}
	return 0
}
