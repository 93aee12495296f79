/// Certificates for tests: one authority, two servers (`localhost`, 127.0.0.1) and one client; good for a hundred years.
/// Their keys protect nothing.
enum TestCertificates {
    static let caCertificate = """
        -----BEGIN CERTIFICATE-----
        MIIBezCCASGgAwIBAgIUBKmpQucEoy/ZYlz2qnpMWFm9P0owCgYIKoZIzj0EAwIw
        EjEQMA4GA1UEAwwHdGVzdC1jYTAgFw0yNjExMjMwMTI3NTRaGA8yMTI2MTAzMDAx
        Mjc1NFowEjEQMA4GA1UEAwwHdGVzdC1jYTBZMBMGByqGSM49AgEGCCqGSM49AwEH
        A0IABIrDlm0tljsa/nIEi4XnxRjaUi4gpacpUb8xY4GU0g0vWgt8hdhFfUGFR1ga
        Eom1iaswe5zMY4NE9p69Gy5sF82jUzBRMB0GA1UdDgQWBBTiWogDPlR1Nwlfbl2N
        D9e7j51cSjAfBgNVHSMEGDAWgBTiWogDPlR1Nwlfbl2ND9e7j51cSjAPBgNVHRMB
        Af8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIQC1HO4n9NXJs7INETKccJhsSUyZ
        E56Pu7M60NH3l9N45AIgFpml0f31DH0jw7CWdu7WeU6xLwbVc4ZcH1yF+Iyqt80=
        -----END CERTIFICATE-----
        """

    static let serverCertificate = """
        -----BEGIN CERTIFICATE-----
        MIIBtzCCAV6gAwIBAgIUHJAmLCHeyLmxNfxraujJLIJCaJowCgYIKoZIzj0EAwIw
        EjEQMA4GA1UEAwwHdGVzdC1jYTAgFw0yNjExMjMwMTI3NTRaGA8yMTI2MTAzMDAx
        Mjc1NFowJTENMAsGA1UECgwEdGVzdDEUMBIGA1UEAwwLc2VydmVyLnRlc3QwWTAT
        BgcqhkjOPQIBBggqhkjOPQMBBwNCAAQn++sTKR3SZJsecSbUlhSkPK7IKSPJtFeQ
        olgFNgqaEr1NDjYoWYRkhDEFBHqh83vGcz8bsFMN4z4RIu3tHQZWo30wezAaBgNV
        HREEEzARgglsb2NhbGhvc3SHBH8AAAEwHQYDVR0lBBYwFAYIKwYBBQUHAwEGCCsG
        AQUFBwMCMB0GA1UdDgQWBBQR6Rnc7TkYVyD4RYLwKLKPKMB0bzAfBgNVHSMEGDAW
        gBTiWogDPlR1Nwlfbl2ND9e7j51cSjAKBggqhkjOPQQDAgNHADBEAiAJEfQ6hgj8
        zouyblIUy+3dK26HVs/+hrswDiJoH1gmvwIgHva9Ln08V1lIuP7YraaLwDUI7vx0
        M3XAo3L9QNTCfHA=
        -----END CERTIFICATE-----
        """

    static let serverKey = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgX6uNLSnRoEXVLlB3
        o2C7BwVVmnhICFykPOnUpbeB6SShRANCAAQn++sTKR3SZJsecSbUlhSkPK7IKSPJ
        tFeQolgFNgqaEr1NDjYoWYRkhDEFBHqh83vGcz8bsFMN4z4RIu3tHQZW
        -----END PRIVATE KEY-----
        """

    static let server2Certificate = """
        -----BEGIN CERTIFICATE-----
        MIIBuDCCAV+gAwIBAgIUHJAmLCHeyLmxNfxraujJLIJCaJswCgYIKoZIzj0EAwIw
        EjEQMA4GA1UEAwwHdGVzdC1jYTAgFw0yNjExMjMwMTI3NTRaGA8yMTI2MTAzMDAx
        Mjc1NFowJjENMAsGA1UECgwEdGVzdDEVMBMGA1UEAwwMc2VydmVyMi50ZXN0MFkw
        EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAERAjAmFekQ3/3B9/3ZPAw4a7zfvYB8i2d
        DLqtOczoImU1GEWOWllx5EUdeuUuv+hg9liWQrrf7hJMqwNBxPHd/aN9MHswGgYD
        VR0RBBMwEYIJbG9jYWxob3N0hwR/AAABMB0GA1UdJQQWMBQGCCsGAQUFBwMBBggr
        BgEFBQcDAjAdBgNVHQ4EFgQUcys8WBr9YKvM7U2+PS0qFDfvbPYwHwYDVR0jBBgw
        FoAU4lqIAz5UdTcJX25djQ/Xu4+dXEowCgYIKoZIzj0EAwIDRwAwRAIgDYwm/O4+
        jV8FWBWTRs7BLJEMojT1vhmokCyOLpIFWhgCIGrpZ4TiXuoCVIOCTaw/Q1WYEHMO
        uzuUk6IoEbbRY6Iy
        -----END CERTIFICATE-----
        """

    static let server2Key = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg2Y7CLerpU/AedKRF
        8/FhJYYyt+sQqL12DrDvR7+r+zChRANCAARECMCYV6RDf/cH3/dk8DDhrvN+9gHy
        LZ0Muq05zOgiZTUYRY5aWXHkRR165S6/6GD2WJZCut/uEkyrA0HE8d39
        -----END PRIVATE KEY-----
        """

    static let clientCertificate = """
        -----BEGIN CERTIFICATE-----
        MIIBuTCCAV6gAwIBAgIUHJAmLCHeyLmxNfxraujJLIJCaJwwCgYIKoZIzj0EAwIw
        EjEQMA4GA1UEAwwHdGVzdC1jYTAgFw0yNjExMjMwMTI3NTRaGA8yMTI2MTAzMDAx
        Mjc1NFowJTENMAsGA1UECgwEdGVzdDEUMBIGA1UEAwwLY2xpZW50LnRlc3QwWTAT
        BgcqhkjOPQIBBggqhkjOPQMBBwNCAASUwhWjez2GCwvAV3ELEUEAlyqkPYbZerU7
        MlvL37XEDnKhJBF0ffOfqHLFmLK78Wfr0wY/FRQUIHD0ff+P6uvfo30wezAaBgNV
        HREEEzARgglsb2NhbGhvc3SHBH8AAAEwHQYDVR0lBBYwFAYIKwYBBQUHAwEGCCsG
        AQUFBwMCMB0GA1UdDgQWBBS07wiNomqlMFiLcwwuD60Ul1KKujAfBgNVHSMEGDAW
        gBTiWogDPlR1Nwlfbl2ND9e7j51cSjAKBggqhkjOPQQDAgNJADBGAiEAy6IM80ZM
        SkwKTmVwwo3dfu/ZHY8qNx9VOAYtmo5YYpQCIQC6b6ByQnz8V9EaMmfvaI/laZ96
        LEUJgzFwQjrU6q82Vg==
        -----END CERTIFICATE-----
        """

    static let clientKey = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQggOI6cL6NViF9ehPD
        4XLFFaJTA4O5xejM1kZiosq7yoGhRANCAASUwhWjez2GCwvAV3ELEUEAlyqkPYbZ
        erU7MlvL37XEDnKhJBF0ffOfqHLFmLK78Wfr0wY/FRQUIHD0ff+P6uvf
        -----END PRIVATE KEY-----
        """

    /// Names the client's certificate. Its signature is none: whoever keeps the file is believed.
    static let revocationList = """
        -----BEGIN X509 CRL-----
        MIGDMGoCAQEwCgYIKoZIzj0EAwIwEjEQMA4GA1UEAwwHdGVzdC1jYRcNMjYxMTI5
        MDAwMDAwWhcNMzYxMTI5MDAwMDAwWjAnMCUCFByQJiwh3si5sTX8a2roySyCQmic
        Fw0yNjExMjkwMDAwMDBaMAoGCCqGSM49BAMCAwkAMAYCAQECAQE=
        -----END X509 CRL-----
        """
}
