package linktest

import (
	"os"
	"testing"
)

// MustNotSkip is the environment variable that, set to anything, makes Skip fail.
const MustNotSkip = "CALIPER_MUST_NOT_SKIP"

// Skip ends a test that cannot run here, for a reason such as missing rights or a
// missing program. Where the run says that nothing may be skipped, the test fails.
func Skip(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv(MustNotSkip) != "" {
		t.Fatalf("cannot run, and %s is set: %s", MustNotSkip, reason)
	}
	t.Skip(reason)
}
