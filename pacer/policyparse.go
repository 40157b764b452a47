package pacer

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// ParsePolicy reads a policy. The file that it names is opened with open, read and closed;
// where open is nil, policies with files are refused. It returns an error if s is no policy,
// or the file is not what it must be.
func ParsePolicy(s string, open func(name string) (io.ReadCloser, error)) (Policy, error) {
	p, err := parsePolicy(s, open)
	if err != nil {
		return Policy{}, fmt.Errorf("pacer: policy %q: %w", short(s), err)
	}
	return p, nil
}

func parsePolicy(s string, open func(name string) (io.ReadCloser, error)) (Policy, error) {
	kind, rest, colon := strings.Cut(s, ":")
	var words []string
	if colon {
		words = strings.Split(rest, ",")
	}
	switch kind {
	case "none", "delivery":
		if colon {
			return Policy{}, fmt.Errorf("write %s alone", kind)
		}
		if kind == "none" {
			return Policy{}, nil
		}
		return Policy{Kind: PacedByDelivery}, nil
	case "window":
		return windowPolicy(words)
	case "rate", "gaps", "schedule":
		if len(words) == 0 || words[0] == "" {
			return Policy{}, fmt.Errorf("write %s, with options behind a comma", map[string]string{
				"rate": "rate:100M", "gaps": "gaps:FILE", "schedule": "schedule:FILE"}[kind])
		}
	default:
		return Policy{}, errors.New("write one of none, rate:100M, gaps:FILE, window, delivery, schedule:FILE")
	}
	argument, words := words[0], words[1:]
	switch kind {
	case "rate":
		return ratePolicy(argument, words)
	case "gaps":
		return gapsPolicy(argument, words, open)
	}
	return schedulePolicy(argument, words, open)
}

func ratePolicy(rate string, words []string) (Policy, error) {
	bps, err := parseRate(rate)
	if err == nil && bps < 1 {
		err = errors.New("a rate must be at least 1 bit/s; write none to not pace")
	}
	if err != nil {
		return Policy{}, err
	}
	unit, err := unitOption(words)
	return Policy{Kind: PacedByRate, BitsPerSecond: bps, Unit: unit}, err
}

func gapsPolicy(name string, words []string, open func(name string) (io.ReadCloser, error)) (Policy, error) {
	o, err := parseOptions(words, "absolute", "once")
	if err != nil {
		return Policy{}, err
	}
	p := Policy{Kind: PacedByGaps, File: name}
	_, p.Absolute = o["absolute"]
	_, p.Once = o["once"]
	err = readFile(name, open, func(r io.Reader) (err error) {
		if p.Gaps, err = parseGaps(r); err == nil && p.Absolute {
			p.Gaps, err = between(p.Gaps)
		}
		return err
	})
	return p, err
}

func schedulePolicy(name string, words []string, open func(name string) (io.ReadCloser, error)) (Policy, error) {
	unit, err := unitOption(words)
	if err != nil {
		return Policy{}, err
	}
	p := Policy{Kind: PacedBySchedule, Unit: unit, File: name}
	err = readFile(name, open, func(r io.Reader) (err error) {
		p.Steps, p.Period, err = parseSchedule(r)
		return err
	})
	return p, err
}

func windowPolicy(words []string) (Policy, error) {
	o, err := parseOptions(words, "ss=", "ca=", "rtt=")
	if err != nil {
		return Policy{}, err
	}
	p := Policy{Kind: PacedByWindow}
	for _, ratio := range []struct {
		name string
		to   *uint16
	}{{"ss=", &p.SSRatio}, {"ca=", &p.CARatio}} {
		if text, ok := o[ratio.name]; ok {
			percent, err := strconv.ParseUint(text, 10, 16)
			if err != nil || percent < 1 || percent > 1000 {
				return Policy{}, fmt.Errorf("%s%s is not a ratio from 1 to 1000 percent", ratio.name, short(text))
			}
			*ratio.to = uint16(percent)
		}
	}
	if text, ok := o["rtt="]; ok {
		p.InitialRTT, err = parseDuration(text)
		if err != nil || p.InitialRTT == 0 {
			return Policy{}, fmt.Errorf("rtt=%s is not a time above 0 such as 10ms", short(text))
		}
	}
	return p, nil
}

// unitOption reads the one option of rates.
func unitOption(words []string) (unit Unit, err error) {
	o, err := parseOptions(words, "unit=")
	if text, ok := o["unit="]; ok && err == nil {
		unit, err = parseUnit(text)
	}
	return unit, err
}

// parseOptions reads words such as once and unit=ip. The known ones, with their equals sign,
// are the keys of what it returns.
func parseOptions(words []string, known ...string) (map[string]string, error) {
	o := make(map[string]string)
	for _, word := range words {
		key, value, equals := strings.Cut(word, "=")
		if equals {
			key += "="
		}
		if !slices.Contains(known, key) {
			return nil, fmt.Errorf("%q is not one of the options %s", short(word), strings.Join(known, ", "))
		}
		if _, twice := o[key]; twice {
			return nil, fmt.Errorf("%s is given twice", key)
		}
		o[key] = value
	}
	return o, nil
}

func readFile(name string, open func(name string) (io.ReadCloser, error), read func(io.Reader) error) error {
	if open == nil {
		return errors.New("files cannot be read here; use a policy without one")
	}
	file, err := open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	return read(file)
}
