package iperf3

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
)

// cookieSize is the length of a cookie with the NUL at its end.
const cookieSize = 37

// newCookie returns what tells the connections of one test from others: 36 characters,
// each of 5 bits of randomness.
func newCookie(from io.Reader) (string, error) {
	if from == nil {
		from = rand.Reader
	}
	const alphabet = "abcdefghijklmnopqrstuvwxyz234567"
	var b [cookieSize - 1]byte
	if _, err := io.ReadFull(from, b[:]); err != nil {
		return "", fmt.Errorf("no randomness for the cookie: %w", err)
	}
	for i := range b {
		b[i] = alphabet[b[i]&31]
	}
	return string(b[:]), nil
}

// readCookie reads the first thing that a client sends on every connection. Old releases
// put other characters in.
func (c *control) readCookie() (string, error) {
	var b [cookieSize]byte
	if err := c.readFull(b[:], c.deadline()); err != nil {
		return "", err
	}
	for _, ch := range b[:cookieSize-1] {
		if ch <= ' ' || ch > '~' {
			return "", errNoClient
		}
	}
	if b[cookieSize-1] != 0 {
		return "", errNoClient
	}
	return string(b[:cookieSize-1]), nil
}

var errNoClient = errors.New("what it sent is no cookie; it is not an iperf3 client")
