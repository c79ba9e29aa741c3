//! A throwaway certificate authority, for stores that speak TLS.

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use std::fs;
use std::path::{Path, PathBuf};

/// An authority, and two certificates that it signed: that of 127.0.0.1, and a client's.
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
        let issuer = Issuer::new(authority, key);
        let certificate = server.signed_by(&server_key, &issuer)?.pem();
        let client_key = KeyPair::generate()?;
        let mut client = CertificateParams::default();
        client.distinguished_name.push(DnType::CommonName, "interaction");
        let client = client.signed_by(&client_key, &issuer)?.pem();

        let tls = Self { folder: folder.to_owned() };
        // rustls wants the folder of no certificates to exist.
        fs::create_dir_all(tls.none())?;
        fs::write(tls.ca(), &ca)?;
        fs::write(tls.certificate(), &certificate)?;
        fs::write(tls.key(), server_key.serialize_pem())?;
        fs::write(tls.client_certificate(), client)?;
        fs::write(tls.client_key(), client_key.serialize_pem())?;
        // Java wants both in one file.
        fs::write(tls.key_and_certificate(), server_key.serialize_pem() + &certificate)?;
        Ok(tls)
    }

    /// What trusts the authority, and no other, in the environment of OpenSSL and rustls alike.
    #[must_use]
    pub fn environment(&self) -> [(String, String); 2] {
        [("SSL_CERT_FILE", self.ca()), ("SSL_CERT_DIR", self.none())]
            .map(|(name, path)| (name.to_owned(), path.display().to_string()))
    }

    fn none(&self) -> PathBuf {
        self.folder.join("none")
    }

    /// The authority's certificate.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// The client's certificate.
    #[must_use]
    pub fn client_certificate(&self) -> PathBuf {
        self.folder.join("client.pem")
    }

    /// The client's key.
    #[must_use]
    pub fn client_key(&self) -> PathBuf {
        self.folder.join("client.key")
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
