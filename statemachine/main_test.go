package statemachine_test

import (
	"testing"

	"github.com/tumbler-rotation/tumbler/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }
