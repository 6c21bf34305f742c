package statemachine_test

import (
	"testing"

	"github.com/tumbler-rotation/tumbler/proof/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }
