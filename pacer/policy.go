package pacer

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Policy is how flows are to be paced, as a user writes it, and makes the Pacer of each:
//
//	none                          no Pacer
//	rate:RATE[,unit=UNIT]         Rate, for instance rate:100M,unit=payload
//	gaps:FILE[,absolute][,once]   Gaps, of a file for ParseGaps; with absolute, of times
//	                              for Between; with once, each gap is used once
//	window[:ss=N,ca=N,rtt=TIME]   Window, with its ratios in percent and its InitialRTT,
//	                              all of which may be left out
//	delivery                      Delivery
//	schedule:FILE[,unit=UNIT]     Schedule, of a file for ParseSchedule
//
// A RATE is one for ParseRate, a UNIT one for ParseUnit, and wire where none is given. A
// TIME is one for time.ParseDuration, such as 10ms. The name of a FILE has no comma.
//
// What is read from a file is kept once, however many flows share it. The zero Policy is
// none.
type Policy struct {
	text  string
	pacer Pacer // what New copies; nil for none
}

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
		return Policy{kind, &Delivery{}}, nil
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
	unit, suffix, err := unitOption(words)
	return Policy{"rate:" + formatRate(bps) + suffix, &Rate{BitsPerSecond: bps, Unit: unit}}, err
}

func gapsPolicy(name string, words []string, open func(name string) (io.ReadCloser, error)) (Policy, error) {
	o, err := parseOptions(words, "absolute", "once")
	if err != nil {
		return Policy{}, err
	}
	p := Policy{text: "gaps:" + name}
	_, absolute := o["absolute"]
	_, once := o["once"]
	var list []Gap
	err = readFile(name, open, func(r io.Reader) (err error) {
		if list, err = parseGaps(r); err == nil && absolute {
			list, err = between(list)
		}
		return err
	})
	if absolute {
		p.text += ",absolute"
	}
	if once {
		p.text += ",once"
	}
	p.pacer = &Gaps{List: list, Once: once}
	return p, err
}

func schedulePolicy(name string, words []string, open func(name string) (io.ReadCloser, error)) (Policy, error) {
	unit, suffix, err := unitOption(words)
	if err != nil {
		return Policy{}, err
	}
	p := Policy{text: "schedule:" + name + suffix}
	err = readFile(name, open, func(r io.Reader) error {
		list, period, err := parseSchedule(r)
		if err == nil {
			p.pacer, err = newSchedule(list, period, unit)
		}
		return err
	})
	return p, err
}

func windowPolicy(words []string) (Policy, error) {
	o, err := parseOptions(words, "ss=", "ca=", "rtt=")
	if err != nil {
		return Policy{}, err
	}
	w := &Window{}
	var set []string
	for _, ratio := range []struct {
		name string
		to   *uint16
	}{{"ss=", &w.SSRatio}, {"ca=", &w.CARatio}} {
		if text, ok := o[ratio.name]; ok {
			percent, err := strconv.ParseUint(text, 10, 16)
			if err != nil || percent < 1 || percent > 1000 {
				return Policy{}, fmt.Errorf("%s%s is not a ratio from 1 to 1000 percent", ratio.name, short(text))
			}
			*ratio.to = uint16(percent)
			set = append(set, fmt.Sprint(ratio.name, percent))
		}
	}
	if text, ok := o["rtt="]; ok {
		w.InitialRTT, err = time.ParseDuration(text)
		if err != nil || w.InitialRTT <= 0 {
			return Policy{}, fmt.Errorf("rtt=%s is not a time above 0 such as 10ms", short(text))
		}
		set = append(set, "rtt="+w.InitialRTT.String())
	}
	text := "window"
	if len(set) > 0 {
		text += ":" + strings.Join(set, ",")
	}
	return Policy{text, w}, nil
}

// unitOption reads the one option of rates, and returns it also as String writes it.
func unitOption(words []string) (unit Unit, suffix string, err error) {
	o, err := parseOptions(words, "unit=")
	if text, ok := o["unit="]; ok && err == nil {
		unit, err = parseUnit(text)
	}
	if unit != Wire {
		suffix = ",unit=" + strings.ToLower(unit.String())
	}
	return unit, suffix, err
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

// New returns a Pacer for one more flow, on a line of so many bit/s, or 0 where there is
// none (see Rate.Line). It returns nil for the policy none.
func (p Policy) New(line int64) Pacer {
	switch original := p.pacer.(type) {
	case *Rate:
		r := *original
		r.Line = line
		return &r
	case *Gaps:
		g := *original
		return &g
	case *Window:
		w := *original
		w.Line = line
		return &w
	case *Delivery:
		d := *original
		d.Line = line
		return &d
	case *Schedule:
		s := *original
		s.Rate.Line = line
		return &s
	}
	return nil
}

// String writes the policy so that ParsePolicy reads the same.
func (p Policy) String() string {
	if p.pacer == nil {
		return "none"
	}
	return p.text
}
