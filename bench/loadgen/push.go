package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"
)

const manifestType = "application/vnd.oci.image.manifest.v1+json"

// pushShared counts complete images over all clients.
type pushShared struct {
	o        order
	deadline time.Time
	images   int64
	started  int64
	latency  histogram
	filler   []byte // the incompressible rest of every layer; the first bytes make each layer unique
}

// pushScript pushes images as real clients do: it sends HEAD for the config (shared, already stored), POST, PUT of the layer, and PUT
// of the manifest under a unique tag.
type pushScript struct {
	shared     *pushShared
	repository string
	step       int
	layer      []byte
	digest     string
	tag        string
	began      time.Time
}

func (s *pushScript) next(previous *response) (request, bool, error) {
	if previous != nil {
		wanted := [...]int{200, 202, 201, 201}[s.step]
		if previous.status != wanted {
			what := [...]string{"HEAD config", "POST upload", "PUT layer", "PUT manifest"}[s.step]
			return request{}, false, refused(what, previous)
		}
		s.step = (s.step + 1) % 4
	}
	switch s.step {
	case 0:
		if previous != nil {
			s.shared.images++
			s.shared.latency.add(time.Since(s.began))
		}
		if time.Now().After(s.shared.deadline) {
			return request{}, false, nil
		}
		s.newImage()
		return s.request("HEAD", "/v2/"+s.repository+"/blobs/"+s.shared.o.ConfigDigest, "", nil), true, nil
	case 1:
		return s.request("POST", "/v2/"+s.repository+"/blobs/uploads/", "", nil), true, nil
	case 2:
		path := withQuery(pathOf(previous.location), "digest="+s.digest)
		return s.request("PUT", path, "application/octet-stream", s.layer), true, nil
	default:
		manifest := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":%d,"digest":%q},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","size":%d,"digest":%q}]}`,
			manifestType, s.shared.o.ConfigBytes, s.shared.o.ConfigDigest, len(s.layer), s.digest)
		return s.request("PUT", "/v2/"+s.repository+"/manifests/"+s.tag, manifestType, manifest), true, nil
	}
}

func (s *pushScript) newImage() {
	n := s.shared.started
	s.shared.started++
	s.began = time.Now()
	s.tag = fmt.Sprintf("%s-%d", s.shared.o.Seed, n)
	copy(s.layer, s.shared.filler)
	seed := sha256.Sum256([]byte(s.tag))
	copy(s.layer, seed[:])
	binary.BigEndian.PutUint64(s.layer[sha256.Size:], uint64(n))
	sum := sha256.Sum256(s.layer)
	s.digest = "sha256:" + hex.EncodeToString(sum[:])
}

func (s *pushScript) request(method, path, contentType string, body []byte) request {
	b := fmt.Appendf(make([]byte, 0, 512+len(body)), "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: marina-bench\r\n", method, path, s.shared.o.Address)
	if contentType != "" {
		b = fmt.Appendf(b, "Content-Type: %s\r\n", contentType)
	}
	if method != "HEAD" {
		b = fmt.Appendf(b, "Content-Length: %d\r\n", len(body))
	}
	b = append(append(b, crlf...), body...)
	return request{b, method == "HEAD"}
}

func push(o order) (result, error) {
	runtime.LockOSThread()
	shared := &pushShared{o: o, filler: make([]byte, o.LayerBytes)}
	random := rand.NewChaCha8(sha256.Sum256([]byte(o.Seed)))
	if _, err := random.Read(shared.filler); err != nil {
		return result{}, err
	}
	e, err := newEngine()
	if err != nil {
		return result{}, err
	}
	for i := range o.Connections {
		s := &pushScript{shared: shared, repository: o.Repositories[i%len(o.Repositories)], layer: make([]byte, o.LayerBytes)}
		if err := e.add(o.Address, s); err != nil {
			return result{}, err
		}
	}
	var r result
	watch := startWatch()
	shared.deadline = watch.start.Add(time.Duration(o.Seconds * float64(time.Second)))
	if err := e.run(); err != nil {
		return result{}, err
	}
	watch.stop(&r)
	e.report(&r)
	// Users wait for a whole image, not for a request, so latency is measured per image.
	r.P50, r.P90, r.P99 = shared.latency.percentile(50), shared.latency.percentile(90), shared.latency.percentile(99)
	r.Count = shared.images
	r.Bytes = shared.images * int64(o.LayerBytes)
	return r, nil
}
