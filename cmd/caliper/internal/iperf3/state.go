package iperf3

import "fmt"

// A state is one byte on the control connection, which tells the peer what comes next.
type state int8

const (
	testStart       state = 1
	testRunning     state = 2
	testEnd         state = 4
	paramExchange   state = 9
	createStreams   state = 10
	serverTerminate state = 11
	clientTerminate state = 12
	exchangeResults state = 13
	displayResults  state = 14
	iperfDone       state = 16
	accessDenied    state = -1
	serverError     state = -2 // followed by two numbers of 32 bits: error, errno
)

var stateNames = map[state]string{
	testStart: "TEST_START", testRunning: "TEST_RUNNING", testEnd: "TEST_END",
	paramExchange: "PARAM_EXCHANGE", createStreams: "CREATE_STREAMS",
	serverTerminate: "SERVER_TERMINATE", clientTerminate: "CLIENT_TERMINATE",
	exchangeResults: "EXCHANGE_RESULTS", displayResults: "DISPLAY_RESULTS",
	iperfDone: "IPERF_DONE", accessDenied: "ACCESS_DENIED", serverError: "SERVER_ERROR",
}

func (s state) String() string {
	if name, ok := stateNames[s]; ok {
		return name
	}
	return fmt.Sprintf("state %d", int8(s))
}

// Numbers that a server gives with SERVER_ERROR, of iperf3's list.
const (
	codeListen     = 102
	codeMessage    = 110
	codeParameters = 114
	codeStream     = 200
)

// errorTexts says what the numbers mean that a server may send.
var errorTexts = map[int32]string{
	7:              "the block size is too large",
	27:             "the rate of all streams together is above the server's limit",
	101:            "it could not initialize the test",
	codeListen:     "it could not listen for the streams",
	104:            "it could not accept a connection",
	106:            "it could not receive the cookie",
	codeMessage:    "it received an unknown control message",
	codeParameters: "it could not receive the parameters, or does not take them",
	116:            "it could not send its results",
	117:            "it could not receive the client's results",
	124:            "it could not set the socket buffer size",
	codeStream:     "it could not create a stream",
}

func errorText(code int32) string {
	if text, ok := errorTexts[code]; ok {
		return fmt.Sprintf("the server reports error %d: %s", code, text)
	}
	return fmt.Sprintf("the server reports error %d", code)
}
