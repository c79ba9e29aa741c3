//! A throwaway certificate authority, for stores that speak TLS.

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use std::fs;
use std::path::{Path, PathBuf};

/// An authority, and a certificate of 127.0.0.1 that it signed.
#[derive(Clone)]
pub struct Tls {
    folder: PathBuf,
}

impl Tls {
    /// New ones, as PEM files in `folder`. The authority's own key is forgotten.
    pub fn new(folder: &Path) -> Result<Self> {
        let mut authority = CertificateParams::default();
        authority.distinguished_name.push(DnType::CommonName, "throwaway authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate()?;
        let ca = authority.self_signed(&key)?.pem();
        let server_key = KeyPair::generate()?;
        let server = CertificateParams::new(["127.0.0.1".to_owned()])?;
        let certificate = server.signed_by(&server_key, &Issuer::new(authority, key))?.pem();

        fs::create_dir_all(folder)?;
        let tls = Self { folder: folder.to_owned() };
        fs::write(tls.ca(), &ca)?;
        fs::write(tls.certificate(), &certificate)?;
        fs::write(tls.key(), server_key.serialize_pem())?;
        // Java wants both in one file.
        fs::write(tls.key_and_certificate(), server_key.serialize_pem() + &certificate)?;
        Ok(tls)
    }

    /// What trusts the authority, and no other, in the environment of OpenSSL and rustls alike.
    #[must_use]
    pub fn environment(&self) -> [(String, String); 2] {
        [("SSL_CERT_FILE", self.ca()), ("SSL_CERT_DIR", self.folder.join("none"))]
            .map(|(name, path)| (name.to_owned(), path.display().to_string()))
    }

    /// The authority's certificate.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.join("server.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.folder.join("server.key")
    }

    pub(crate) fn key_and_certificate(&self) -> PathBuf {
        self.folder.join("server-with-key.pem")
    }
}
