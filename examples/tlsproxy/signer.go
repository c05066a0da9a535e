package main

import (
	"context"
	"crypto"
	"crypto/tls"
	"errors"
	"io"

	"bide/jobs"
)

// signer is a private key whose work is done on another goroutine while the
// handshake's job is paused, so that the loop goes on: what OpenSSL's
// asynchronous engines are for. An HSM or a KMS would stand in its place.
type signer struct {
	crypto.Signer
	job jobs.Job
}

func (s signer) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return jobs.Await(s.job, func(context.Context) ([]byte, error) {
		return s.Signer.Sign(random, digest, opts)
	})
}

// signAside has cert's key used aside from the loop. The job to pause is the
// one whose context the handshake runs under.
func signAside(config *tls.Config, cert *tls.Certificate) error {
	key, ok := cert.PrivateKey.(crypto.Signer)
	if !ok {
		return errors.New("-signers: the private key cannot sign")
	}
	config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		aside := *cert
		aside.PrivateKey = signer{key, jobs.FromContext(hello.Context())}
		return &aside, nil
	}
	return nil
}
