package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// A client with TLS, as real clients have it: Go's own. It decrypts and checks the certificate, which costs about as much as the
// server's side does, so here the client is part of what is measured, the same for both servers.
type secureClient struct {
	address string
	config  *tls.Config
}

func secure(o order) (*secureClient, error) {
	pem, err := os.ReadFile(o.CA)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("no certificate in the CA file")
	}
	host, _, err := net.SplitHostPort(o.Address)
	// Without a session cache, every handshake is a full one.
	return &secureClient{o.Address, &tls.Config{RootCAs: pool, ServerName: host}}, err
}

// get sends one request over a new connection and reads the whole response.
func (s *secureClient) get(path string, want int64, buffer []byte) error {
	conn, err := tls.Dial("tcp", s.address, s.config)
	if err != nil {
		return err
	}
	defer conn.Close()
	head := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: marina-bench\r\nConnection: close\r\n\r\n", path, s.address)
	if _, err := conn.Write([]byte(head)); err != nil {
		return err
	}
	var p parser
	p.reset(false)
	for {
		n, err := conn.Read(buffer)
		done, failure := p.feed(buffer[:n])
		switch {
		case failure != nil:
			return failure
		case done && p.resp.status != 200:
			return refused("GET "+path, &p.resp)
		case done && want >= 0 && p.resp.body != want:
			return fmt.Errorf("%d bytes came instead of %d", p.resp.body, want)
		case done:
			return nil
		case err == io.EOF:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		}
	}
}

// secureGet repeats a request, each time over a new connection, until the time is over or it was sent so many times.
func secureGet(o order) (result, error) {
	client, err := secure(o)
	if err != nil {
		return result{}, err
	}
	var (
		r     result
		times histogram
		lock  sync.Mutex
		group sync.WaitGroup
	)
	watch := startWatch()
	deadline := watch.start.Add(time.Duration(o.Seconds * float64(time.Second)))
	for range max(1, o.Parallel) {
		group.Add(1)
		go func() {
			defer group.Done()
			buffer := make([]byte, readBytes)
			for i := 0; (o.Times > 0 && i < o.Times) || (o.Times == 0 && time.Now().Before(deadline)); i++ {
				begin := time.Now()
				err := client.get(o.Path, o.Bytes, buffer)
				lock.Lock()
				if err != nil {
					r.Errors++
					r.Error = err.Error()
				} else {
					r.Count++
					r.Bytes += max(0, o.Bytes)
					times.add(time.Since(begin))
				}
				lock.Unlock()
				if err != nil {
					return
				}
			}
		}()
	}
	group.Wait()
	watch.stop(&r)
	r.Requests = r.Count
	r.P50, r.P90, r.P99 = times.percentile(50), times.percentile(90), times.percentile(99)
	return r, nil
}
