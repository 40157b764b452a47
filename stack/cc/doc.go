// Package cc holds congestion controllers for TCP on package stack.
package cc
