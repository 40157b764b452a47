package iperf3

import (
	"errors"
	"io"
)

// readBlock is the most that is read at a time, in bytes.
const readBlock = 128 << 10

// sendTCP writes blocks until the test is over or the amount is written.
func (t *test) sendTCP(s *stream) error {
	th := throttle{rate: t.params.rate(), start: t.host.Now()}
	for {
		if !t.pace(s, &th) || !t.take() {
			return nil
		}
		n, err := s.conn.Write(t.payload)
		s.count(n, 0)
		th.sent += int64(n)
		if err != nil {
			return err
		}
	}
}

// receiveTCP reads until the connection ends.
func (t *test) receiveTCP(s *stream) error {
	b := make([]byte, min(t.params.Length, readBlock))
	for {
		n, err := s.reader.Read(b)
		s.count(n, 0)
		t.arrived(n)
		if errors.Is(err, io.EOF) {
			return errors.New("the peer has closed it before the end of the test")
		}
		if err != nil {
			return err
		}
	}
}

// setNoDelay passes the client's wish on to a connection which has the choice.
func setNoDelay(conn any, noDelay bool) error {
	if c, ok := conn.(interface{ SetNoDelay(bool) error }); ok {
		return c.SetNoDelay(noDelay)
	}
	return nil
}
