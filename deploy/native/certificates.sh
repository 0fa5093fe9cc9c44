# shellcheck shell=bash
# Certificates of our own for tests: a CA, a server, a client, and a server's that has expired.

certificates() { # FOLDER: ca, server, client, expired (.crt, .key, and .pem with both)
  [ ! -e "$1/ready" ] || return 0
  need openssl openssl
  mkdir -p "$1/issued"
  new_key "$1/ca"
  openssl req -x509 -key "$1/ca.key" -subj "/CN=Weir test CA" -days 3650 -out "$1/ca.crt" 2>/dev/null
  : >"$1/index.txt"
  authority "$1" >"$1/authority.cnf"
  signed "$1" server localhost 20200101000000Z 20400101000000Z
  signed "$1" client client 20200101000000Z 20400101000000Z
  signed "$1" expired localhost 20200101000000Z 20210101000000Z
  touch "$1/ready"
}

new_key() { # PATH: PKCS#8, which every engine here reads
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key" 2>/dev/null
  chmod 600 "$1.key"
}

authority() { # FOLDER: the configuration of openssl's little CA, which can set both dates
  cat <<END
[ca]
default_ca = weir
[weir]
database = $1/index.txt
new_certs_dir = $1/issued
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
x509_extensions = names
[any]
commonName = supplied
[names]
basicConstraints = CA:FALSE
subjectAltName = DNS:localhost,IP:127.0.0.1
extendedKeyUsage = serverAuth,clientAuth
END
}

signed() { # FOLDER NAME COMMON_NAME FROM UNTIL
  new_key "$1/$2"
  openssl req -new -key "$1/$2.key" -subj "/CN=$3" -out "$1/$2.csr"
  openssl ca -batch -notext -config "$1/authority.cnf" -cert "$1/ca.crt" -keyfile "$1/ca.key" \
    -startdate "$4" -enddate "$5" -in "$1/$2.csr" -out "$1/$2.crt" 2>"$1/openssl.log" ||
    { cat "$1/openssl.log" >&2; return 1; }
  cat "$1/$2.key" "$1/$2.crt" >"$1/$2.pem"
}
