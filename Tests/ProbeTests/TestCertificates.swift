/// Certificates for tests: one authority, a server (`localhost`, 127.0.0.1), one that expired on 2025-02-01, one for
/// another address, a client; and another authority. Good for a hundred years; their keys protect nothing.
enum TestCertificates {
    static let authority = """
        -----BEGIN CERTIFICATE-----
        MIIBezCCASGgAwIBAgIUftiUVa+0d1tXcL0+cJB+leYstJwwCgYIKoZIzj0EAwIw
        EjEQMA4GA1UEAwwHdGVzdC1jYTAgFw0yNjExMjgwNDE5MDJaGA8yMTI2MTEwNDA0
        MTkwMlowEjEQMA4GA1UEAwwHdGVzdC1jYTBZMBMGByqGSM49AgEGCCqGSM49AwEH
        A0IABHVp5L+uuEVUhIot31s2g+LWvgFchrsoDz986DHVAliuZekM3hY908DyG22t
        5lsIFr5qjsBdD0QZ1FSUA0euYJmjUzBRMB0GA1UdDgQWBBSt5/rEh6VqYdqy79et
        nWZG2pOwVDAfBgNVHSMEGDAWgBSt5/rEh6VqYdqy79etnWZG2pOwVDAPBgNVHRMB
        Af8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIQDp0CE1GN4ppp1LNfMTZqk3kg6M
        ATx/5RwrOOmwi6VdvQIgGd3d2U6i4iaPkuUlpyyHuVLpdFA8fyMlzRp2vd0Um4c=
        -----END CERTIFICATE-----
        """
    static let otherAuthority = """
        -----BEGIN CERTIFICATE-----
        MIIBfjCCASOgAwIBAgIULtLdt0nXdVpzRVdQWcyJg3TF1l8wCgYIKoZIzj0EAwIw
        EzERMA8GA1UEAwwIb3RoZXItY2EwIBcNMjYxMTI4MDQxOTAyWhgPMjEyNjExMDQw
        NDE5MDJaMBMxETAPBgNVBAMMCG90aGVyLWNhMFkwEwYHKoZIzj0CAQYIKoZIzj0D
        AQcDQgAEMtd9GCLiTGULTbfC9IMx4a5MKbZxOnzkrr+zInDRbOD1GJEBr92Jvl9Q
        gH0q4loQqOUwB4Z9Padl4sgGihsheqNTMFEwHQYDVR0OBBYEFKnSD4+lY/Nf7mUf
        fEW/rp/4sGbBMB8GA1UdIwQYMBaAFKnSD4+lY/Nf7mUffEW/rp/4sGbBMA8GA1Ud
        EwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSQAwRgIhANYVderbjwT/sgIoBqGvYzuy
        5xkuI3JMtmaGYyJsOBHTAiEAva2Mr7oQath/xhlac/zo9+FuCl/EjsLqEIDUlyWf
        RWQ=
        -----END CERTIFICATE-----
        """
    static let server = """
        -----BEGIN CERTIFICATE-----
        MIIBpDCCAUqgAwIBAgIUWOvjKza8C1onwY07b0rbFqTodegwCgYIKoZIzj0EAwIw
        EjEQMA4GA1UEAwwHdGVzdC1jYTAgFw0yNjExMjgwNDE5MDJaGA8yMTI2MTEwNDA0
        MTkwMlowETEPMA0GA1UEAwwGc2VydmVyMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcD
        QgAE8VBg6ssAt5Byr89L/xzIlHoqmmeVJ6vf5eUYP8aUBWsmx1E3ykJIIzvCR8VI
        ycQoI8sEdxq4eATzOcggP8LuXKN9MHswHQYDVR0lBBYwFAYIKwYBBQUHAwEGCCsG
        AQUFBwMCMBoGA1UdEQQTMBGCCWxvY2FsaG9zdIcEfwAAATAdBgNVHQ4EFgQULiQE
        VQDLIU0Svj1/gK2XLtikHnwwHwYDVR0jBBgwFoAUref6xIelamHasu/XrZ1mRtqT
        sFQwCgYIKoZIzj0EAwIDSAAwRQIhAO6pNmSpPwdxuJcKNvMaYZLPeMPC2xW0Ut56
        98snCJA6AiALitPRjJ/Y2FqEiMbo3cPO2f/wPkRHjEwQJdWi6S66SA==
        -----END CERTIFICATE-----
        """
    static let serverKey = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgi387uxytFkYfkZc1
        UdLbGgrKtd0ni7EX9vZ9ln5p3euhRANCAATxUGDqywC3kHKvz0v/HMiUeiqaZ5Un
        q9/l5Rg/xpQFaybHUTfKQkgjO8JHxUjJxCgjywR3Grh4BPM5yCA/wu5c
        -----END PRIVATE KEY-----
        """
    static let expired = """
        -----BEGIN CERTIFICATE-----
        MIIBjzCCATagAwIBAgIBdzAKBggqhkjOPQQDAjASMRAwDgYDVQQDDAd0ZXN0LWNh
        MB4XDTI1MDEwMTAwMDAwMFoXDTI1MDIwMTAwMDAwMFowEjEQMA4GA1UEAwwHZXhw
        aXJlZDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABGV7hreqhvZ/F68tPhD7NU0e
        TJOMPWpto+gpC5bkvzvBfPmUTuwdlIzmtQDR2IcOjhH8cnJvx4duEI0XiMuoGxmj
        fTB7MB0GA1UdJQQWMBQGCCsGAQUFBwMBBggrBgEFBQcDAjAaBgNVHREEEzARggls
        b2NhbGhvc3SHBH8AAAEwHQYDVR0OBBYEFPVEYhRfFDsPBn9Dh1hy4dIJ18mbMB8G
        A1UdIwQYMBaAFK3n+sSHpWph2rLv162dZkbak7BUMAoGCCqGSM49BAMCA0cAMEQC
        IG+TmmHp9qenauwDWhjqlGW3mEsUnIaorwTLC6E+FvoNAiB+0b8bfDzpVKk+YxIm
        sHBhCG7YwizDfXZUAyaraRBbYw==
        -----END CERTIFICATE-----
        """
    static let expiredKey = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg75BmHUSxyZIRsvBg
        /tW9ba8+qVVfADf5LyJHpncOX/mhRANCAARle4a3qob2fxevLT4Q+zVNHkyTjD1q
        baPoKQuW5L87wXz5lE7sHZSM5rUA0diHDo4R/HJyb8eHbhCNF4jLqBsZ
        -----END PRIVATE KEY-----
        """
    static let elsewhere = """
        -----BEGIN CERTIFICATE-----
        MIIBmzCCAUKgAwIBAgIUWOvjKza8C1onwY07b0rbFqTodeowCgYIKoZIzj0EAwIw
        EjEQMA4GA1UEAwwHdGVzdC1jYTAgFw0yNjExMjgwNDE5MDJaGA8yMTI2MTEwNDA0
        MTkwMlowFDESMBAGA1UEAwwJZWxzZXdoZXJlMFkwEwYHKoZIzj0CAQYIKoZIzj0D
        AQcDQgAEl3NkiFbhd1K/kqTyrMi9SgqO/zDCZERBrfgTZO+dMXCZtRNO6SbZnC1v
        NdxYcgqCSah4LRTw2SoYMw3n2QZB2qNyMHAwHQYDVR0lBBYwFAYIKwYBBQUHAwEG
        CCsGAQUFBwMCMA8GA1UdEQQIMAaHBH8AAAIwHQYDVR0OBBYEFGsHvcZt9xgvJewR
        afs2T9ULq7PWMB8GA1UdIwQYMBaAFK3n+sSHpWph2rLv162dZkbak7BUMAoGCCqG
        SM49BAMCA0cAMEQCIGwz3p7CsprUrjgosxsa1i7Z8O3ljvtcug42OPFRKIJ6AiA6
        lCwCGUn/JgA0dWNmvIUCsAjy+uKxQcgVrn3dZqpFsQ==
        -----END CERTIFICATE-----
        """
    static let elsewhereKey = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgFHk/pSxPuE1w/fCY
        ehH/rTSProMNQv+JuNLTDcRitg2hRANCAASXc2SIVuF3Ur+SpPKsyL1KCo7/MMJk
        REGt+BNk750xcJm1E07pJtmcLW813FhyCoJJqHgtFPDZKhgzDefZBkHa
        -----END PRIVATE KEY-----
        """
    static let client = """
        -----BEGIN CERTIFICATE-----
        MIIBnzCCAUagAwIBAgIUWOvjKza8C1onwY07b0rbFqTodekwCgYIKoZIzj0EAwIw
        EjEQMA4GA1UEAwwHdGVzdC1jYTAgFw0yNjExMjgwNDE5MDJaGA8yMTI2MTEwNDA0
        MTkwMlowETEPMA0GA1UEAwwGY2xpZW50MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcD
        QgAEYE3TLfEZFCPfMLo2NOx+FzClyWeKthFBoL0Pdoy2oaGlPYdYNL3OjSUlWxNW
        7he6cA8TfUehkZOlmg49esOcgqN5MHcwHQYDVR0lBBYwFAYIKwYBBQUHAwEGCCsG
        AQUFBwMCMBYGA1UdEQQPMA2CC2NsaWVudC50ZXN0MB0GA1UdDgQWBBSTs1aVFusN
        22M7Fi4AFrF6UPPBHjAfBgNVHSMEGDAWgBSt5/rEh6VqYdqy79etnWZG2pOwVDAK
        BggqhkjOPQQDAgNHADBEAiAUSy8cBX5ua50a5beS2MLTgkSCfcMEE+30JATWZb+D
        NwIgfgnDSeYD8434vySZPwD6FAKP3AXnH/LdDqgdtfuVK+c=
        -----END CERTIFICATE-----
        """
    static let clientKey = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg7PuIqQnN+NwPRulc
        GqhPx7W1lREjQH5GpOZ3y0oTdHWhRANCAARgTdMt8RkUI98wujY07H4XMKXJZ4q2
        EUGgvQ92jLahoaU9h1g0vc6NJSVbE1buF7pwDxN9R6GRk6WaDj16w5yC
        -----END PRIVATE KEY-----
        """
}
