package main

import "errors"

func testAll(_, _ string) error { return errors.New("not yet") }
