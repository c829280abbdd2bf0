/* Public keys, and the only tokens they verify that anybody has: their private halves are gone. All
 * tokens are good at the Unix time 1800000000, from issuer "me" for audience "app". */
#ifndef WSRT_FUZZ_JWT_KNOWN_H
#define WSRT_FUZZ_JWT_KNOWN_H

/* clang-format off */
static const char known_keys[] =
    "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"rvXe9rVk6roFajWuuF1sNnp5a4Gs9cYf-qTRMkABov63Q3Qt"
    "2HZh4SUndMwTZC_694r6iO8c97j5cnZ2vew6QcmMtw-nmpdfstZAJlkZmwYPxwZXaW6hbA3gOOuLQNKIIDWJ"
    "ytvSoPEUqIcssc7zIr36-bVhpGBmdvZ8eT70bxIGONdjDJEEiJsGtI0Gp7UvAeLLCojxcy9Si4DAMJpPFBMq"
    "U8kBIP4nyIfwrEgcmuM0qcG7VRYpbqRl3LC3J26CIgk3DVTYyAzI0ecyG5quvADmnvq86z8tpGhN_w7Qg2bP"
    "OMUxNDwnfQYyDZ2jNaJEma7Mpf7iNaPkax2iCVsjFQ\",\"e\":\"AQAB\",\"alg\":\"RS256\",\"kid\""
    ":\"k-RS256\"},{\"kty\":\"RSA\",\"n\":\"8QhYxPVhPyi6ARSJTpMP60DiZV7bbc-KzE1Tti4G6O3mB"
    "hZI3rAjcdElVbNx1Bdb5NI6zHlGlS3fu4-rw_5suM3cIQeSfgHOqiwfFEfoqOMxz55rfltcNkOLbA3EZ9JLx"
    "kV2tg5tQ5WuhcjE9XlCwF4zzslcfdykURTLvfQNWVZ-ughSjTGMNFhLxDjgintO6rcG4cdOhUhF6q9e0qGMT"
    "xEyCuTvNudhxo35KVIf1450FLV4RHgGNremUv2A1fB6s3oiABZ3B5gdy5st5KULDkWFn9oefV_y0wBMjQE4o"
    "Evp50gC6YpuZGSPBwbzlx3FnPtNnfp_kuCRZ93bhVpmnw\",\"e\":\"AQAB\",\"alg\":\"RS384\",\"k"
    "id\":\"k-RS384\"},{\"kty\":\"RSA\",\"n\":\"s5ERqR28U3vrdd8MNfAv23eTB6x-u7b9Zkd6oiA3E"
    "cJoJ_8NG7kDFvO9mz81fijnKgkUc8ImWlQOIcHlBUV5XGGysHO7gEZTZ-Av8I33yhDHUbbrHAACZk09Ae_qE"
    "kcyy5oSlCdlJWIRQRrbFTFgpfEBHBrIT6Mwhb9K4d8eIwwERKLDgRBlrX83NEtZIWwOJT0p2hP-gEScDa3LZ"
    "dGfCaEwyj-Sf8-AWOsfn9jEeuAHe_7tOeINe9FIiq6X_eKj4JhmPE-k3415Z060iYpDx1hvRK2wLCmIDHmEG"
    "jioBdJEQSIX1hom-kHmdq5FPjTLHfWzBktIZSXIbgRXU8KDbQ\",\"e\":\"AQAB\",\"alg\":\"RS512\""
    ",\"kid\":\"k-RS512\"},{\"kty\":\"RSA\",\"n\":\"rxt7d2FbWbWBRFtgB7IMbIjHAKfOwKzswHG85"
    "MZHUHxJG__tQLfHllNsk7lZ0AA2pq1fR0mvLWfHzkPCq4zkILXPHA77DLTv0Krtrmhf-bO7Hx3oIqEoe9MAL"
    "Fmi48z0DXevU0DVjhmd-0SE9ERrw132tIdpt6EZGv6LsFBRe-hA9cnSPD2OFDpe4F-6ObRust0gvVIhaBjxO"
    "LZzAyCQhCa2I6KPD0MnchjXg3y-8YDGFyteGVhEpW2oKN0geC8bNw1AyrqcQcQYHQIlTnu6uAXcTJQSbbLGl"
    "TtjzTuQ8FPJ2ez0aJrqYiM5ux0cOu4yU1LK5YXKflh35_CyTmK9FQ\",\"e\":\"AQAB\",\"alg\":\"PS2"
    "56\",\"kid\":\"k-PS256\"},{\"kty\":\"EC\",\"x\":\"mHpLA0skZakNlrjcZ2cOLDzgvEgJB6oyv4"
    "kmvZJ-hxo\",\"y\":\"ezX4KH-3guuAUG_fPiHGrTudJ_gyGRHPGKuzsEMlZqU\",\"crv\":\"P-256\","
    "\"alg\":\"ES256\",\"kid\":\"k-ES256\"},{\"kty\":\"EC\",\"x\":\"2xkHBoYVJalEQL9ZbBoam"
    "pEKWzvPJU-tkOQWffYBfboanwiEBprdTKfBf8XkmoVM\",\"y\":\"jsTVu5NiFXMAmu64fieIj8XoZYwf6n"
    "YO8iiopqJ0VOAtbpitlY78wPxxVzZ_D0-k\",\"crv\":\"P-384\",\"alg\":\"ES384\",\"kid\":\"k"
    "-ES384\"},{\"kty\":\"EC\",\"x\":\"APDnXMEk5hvto7oQcwLTeepafM8z-b2Ke51fZGsyGAUTK2mkqH"
    "If5fxBqj7SNstJVYPtAUsUVz5Amn4T6OWjXVA-\",\"y\":\"Ae2yiK_PLP2vcJhV7iWriZmVy3RLHQfStjs"
    "jeZRwxfUpQd-MX2TplXiAQwgBaBYgck1W8HZMCDPgd0eBA-UFt4N2\",\"crv\":\"P-521\",\"alg\":\""
    "ES512\",\"kid\":\"k-ES512\"}]}";

static const char *const known_tokens[] = {
    "eyJhbGciOiJSUzI1NiIsImtpZCI6ImstUlMyNTYifQ.eyJpc3MiOiJtZSIsImF1ZCI6ImFwcCIsInN1YiI6I"
    "nUxIiwiaWF0IjoxNzk5OTk5OTkwLCJleHAiOjE4MDAwMDAwNjB9.ER-Iqp_m6HgWWYReeluHoFWLkvDlSqmK"
    "cNUBSmgGgeQSPhJd7rIfyQvTV0P7AzTek6JMksv_PwWAoRnmDLrj3OnWABhZFK0Tlnthfo_GZOW_5uxjGNKd"
    "u3XN4LZpfLkJ0i8YcRBPfAOhGglUVU1oqwfTFRaVQHC1KlcKf-9OY1rvUuf0PUdmmEoWKyPMCWju9EjdZvQM"
    "iKOKf7uZh-GrqRM9DiuGepChzsm-YthkP4Nu7twX7ufvH3OfW4VC25TYExBazfGD4dHksbAw9gvVRgRMD_5j"
    "SdTIC0IBQoF17F2uJp1Kw3FmHryBb6xxwzqAIyRp2g8sWX5aDGJvihvNZw",

    "eyJhbGciOiJSUzM4NCIsImtpZCI6ImstUlMzODQifQ.eyJpc3MiOiJtZSIsImF1ZCI6ImFwcCIsInN1YiI6I"
    "nUxIiwiaWF0IjoxNzk5OTk5OTkwLCJleHAiOjE4MDAwMDAwNjB9.fdIDBW0Mn0JDFN0ueDjfg4mKSGoK0VL4"
    "xY7RLMhFPtDwbmq28l7QSfCL1HFWWs_vLGjwiP5s2BFr4mMStsRF_yIuEOlLA0qy1E_-abd0ChXDzc2SVzww"
    "rYVvINLbSfruHT-_ufhZ3eokfIWdiAFHTx6FQN2gcEASyZ5CL1TaZoNR4pHksw_W1-4QGnXFULrKww5FlWKG"
    "WIv239YZ15FvkG6rEJfsMDYgWVE-KhMs1F2mGEJN5WuOUFO0zZi9FwEA1Js8wEkqrfC91kjAbmcytDwcEIIN"
    "3bhloE8Op33O-BliIaQQQFIJedrSdBKDAqb_ztAq0FJk91A1b4Mch0lQXA",

    "eyJhbGciOiJSUzUxMiIsImtpZCI6ImstUlM1MTIifQ.eyJpc3MiOiJtZSIsImF1ZCI6ImFwcCIsInN1YiI6I"
    "nUxIiwiaWF0IjoxNzk5OTk5OTkwLCJleHAiOjE4MDAwMDAwNjB9.T4vFyqxetLhNu54DDmQ-kIABoUiO4zFw"
    "MRlAj1GxCX5b7AxRCKhFQVruZiCzjLlUBSpkjSWDKvZISZ0KA-w7bRAVY4FoEyMH-0XFRRuOLt0wLESyGGcd"
    "39XTDifA3uqodf1ZYXuCYTfgeMXU4mxFvi13tDZBySym1t-ang7-YACkywQOw3Cv2By9umdTNL88EK2RV1Tp"
    "jHmP3H19DdozxSZTErFHORcmIFLKLRGndDdjN6hmqT1NHDH_yCRGU6-56xGgdkq4kAdpAgFm5Timpq03zkBc"
    "Il7-d9NWJYn5HQwkX3Ou_yhGWjyZQ_EYAJdOY_FUDdDe9ULfysP_P4TzOg",

    "eyJhbGciOiJQUzI1NiIsImtpZCI6ImstUFMyNTYifQ.eyJpc3MiOiJtZSIsImF1ZCI6ImFwcCIsInN1YiI6I"
    "nUxIiwiaWF0IjoxNzk5OTk5OTkwLCJleHAiOjE4MDAwMDAwNjB9.iCpyWYvQPP7noz-xjsViGNciQe9zywZc"
    "z2PFLaAruWLCqQZ-JKn6j-EvlYPdReUzPhPi0xjoJ3wagETx5_7y5-GABkRef3Kx4EGPn5RHaQT1KR338IyL"
    "yQ8auDyDUWDL3CtmCIwN3sPeNdhdrDBHMxZM8HuMXBYMQWOqL161dOv2z65BL-2QOeRA3x1OnonrC2t4z3Dr"
    "-4gntejxjyD-Fvpc5SVBb9qq4mS91cI6cORGc9XWa90PSLS87l8Ro0hZ-kNC3yJcEXvyff_7DNlqzjGQRz0I"
    "3o0Leq-M79Y0OrNsPCgsS5eh8TIBjFeFbP87-L4LH8g4IaKfYfecvjVF2w",

    "eyJhbGciOiJFUzI1NiIsImtpZCI6ImstRVMyNTYifQ.eyJpc3MiOiJtZSIsImF1ZCI6ImFwcCIsInN1YiI6I"
    "nUxIiwiaWF0IjoxNzk5OTk5OTkwLCJleHAiOjE4MDAwMDAwNjB9.kOYh7-272IrFlv1vrbGMMX5XHu0eCTfV"
    "p_36ekwWtr6iVO-d1JTlvn8e5-N5oR2tCvL8PXvq_33FCnzgCqONQA",

    "eyJhbGciOiJFUzM4NCIsImtpZCI6ImstRVMzODQifQ.eyJpc3MiOiJtZSIsImF1ZCI6ImFwcCIsInN1YiI6I"
    "nUxIiwiaWF0IjoxNzk5OTk5OTkwLCJleHAiOjE4MDAwMDAwNjB9.BvglValstqI8Q6xNLIzSZjT7H3XQTnre"
    "Eg07qXFY3xq_mdfZ90mNre6lEi9PhI8RnBHdEeQ6WC7FqUYneaGHyDF870RZm3wbGnjvK-bwiZqNi4m8s8_0"
    "xc5TIiUxl1jW",

    "eyJhbGciOiJFUzUxMiIsImtpZCI6ImstRVM1MTIifQ.eyJpc3MiOiJtZSIsImF1ZCI6ImFwcCIsInN1YiI6I"
    "nUxIiwiaWF0IjoxNzk5OTk5OTkwLCJleHAiOjE4MDAwMDAwNjB9.ANSaVMOJiDv0G9SLGg5b_tgu3dMpY4FX"
    "e0G_BsDesNnmVAw2lfUb5oxdPW_hmCrp1VrX8tR2wBfY5bYhW9lu4pXSAUoMO47Vo4PWd0OX8dlhgqE1rg21"
    "dvW8UOTcqHCkVFvSadhQV6jDTtl_1-kAIHQfOoh7hFr5biLoUTYdV3957_VH",
};
/* clang-format on */

#endif
