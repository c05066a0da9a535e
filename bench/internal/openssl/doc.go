// Package openssl has the loops that bench measures of OpenSSL's fibres and wait
// contexts. They are C and timed in C. Without the build tag openssl the package
// is empty.
package openssl
