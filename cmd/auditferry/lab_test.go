package main

func stopLab() error { return nil }
