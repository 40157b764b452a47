// The C library's headers ask for this list of what the library lacks for processors without
// floating point. Nothing is linked with that library.
