package cloudsim

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLike(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, value string
		want           bool
	}{
		{"*", "", true},
		{"*", "a/b", true},
		{"a/*", "a/b/c", true},
		{"a/*", "a", false},
		{"a?c", "a/c", true},
		{"a?c", "abbc", false},
		{"[ab]", "a", false},
		{"[ab]", "[ab]", true},
		{`a\*`, `a\b`, true},
		{"sts:*", "sts:assumerole", true},
	} {
		require.Equal(t, c.want, like(c.pattern, c.value), "%s ~ %s", c.pattern, c.value)
	}
}

func TestPoliciesThatAWSWouldRefuse(t *testing.T) {
	t.Parallel()
	for name, policy := range map[string]string{
		"no JSON":            `{`,
		"no statement":       `{"Version":"2012-10-17","Statement":[]}`,
		"no effect":          `{"Statement":{"Principal":"*","Action":"sts:AssumeRole"}}`,
		"no action":          `{"Statement":{"Effect":"Allow","Principal":"*"}}`,
		"no principal":       `{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole"}}`,
		"odd principal":      `{"Statement":{"Effect":"Allow","Principal":"me","Action":"sts:AssumeRole"}}`,
		"a resource":         `{"Statement":{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*"}}`,
		"an unknown test":    `{"Statement":{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Condition":{"StringSounds":{"sts:ExternalId":"x"}}}}`,
		"a number for a key": `{"Statement":{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Condition":{"StringLike":{"sts:ExternalId":5}}}}`,
	} {
		require.Error(t, validateTrustPolicy(policy), name)
	}
	for name, policy := range map[string]string{
		"no resource": `{"Statement":{"Effect":"Allow","Action":"s3:PutObject"}}`,
		"a principal": `{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:PutObject","Resource":"*"}}`,
	} {
		require.Error(t, validatePermissionPolicy(policy), name)
	}
}

func TestDenyAllBut(t *testing.T) {
	t.Parallel()
	deny, err := denyAllBut(`{"Version":"2012-10-17","Statement":[
		{"Sid":"list","Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::b","Condition":{"StringLike":{"s3:prefix":"p/*"}}},
		{"Effect":"Allow","Action":"s3:PutObject","Resource":["arn:aws:s3:::b/p/*","arn:aws:s3:::b/q/*"]},
		{"Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::b/r/*"},
		{"Sid":"not x","Effect":"Deny","Action":"s3:PutObject","Resource":"arn:aws:s3:::b/p/x"}]}`)
	require.NoError(t, err)
	require.JSONEq(t, `{"Version":"2012-10-17","Statement":[
		{"Effect":"Deny","Action":["s3:PutObject"],"Resource":["arn:aws:s3:::b/p/x"]},
		{"Effect":"Deny","NotAction":["s3:ListBucket","s3:PutObject"],"Resource":["*"]},
		{"Effect":"Deny","Action":["s3:ListBucket"],"NotResource":["arn:aws:s3:::b"]},
		{"Effect":"Deny","Action":["s3:ListBucket"],"Resource":["arn:aws:s3:::b"],"Condition":{"StringNotLike":{"s3:prefix":["p/*"]}}},
		{"Effect":"Deny","Action":["s3:PutObject"],"NotResource":["arn:aws:s3:::b/p/*","arn:aws:s3:::b/q/*","arn:aws:s3:::b/r/*"]}]}`, deny)
}

func TestDenyAllButRefusesWhatItCannotTurnAround(t *testing.T) {
	t.Parallel()
	for name, list := range map[string]string{
		"NotAction":         `[{"Effect":"Allow","NotAction":"s3:GetObject","Resource":"*"}]`,
		"NotResource":       `[{"Effect":"Allow","Action":"s3:GetObject","NotResource":"*"}]`,
		"wildcards":         `[{"Effect":"Allow","Action":["s3:Get*","s3:PutObject"],"Resource":"*"}]`,
		"nothing allowed":   `[{"Effect":"Deny","Action":"s3:GetObject","Resource":"*"}]`,
		"unknown negation":  `[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}]`,
		"conditions in two": `[{"Effect":"Allow","Action":"s3:GetObject","Resource":"a"},{"Effect":"Allow","Action":"s3:GetObject","Resource":"b","Condition":{"StringLike":{"s3:prefix":"p"}}}]`,
		"not a policy":      `[]`,
		"a principal":       `[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"*"}]`,
		"no resource":       `[{"Effect":"Allow","Action":"s3:GetObject"}]`,
	} {
		_, err := denyAllBut(`{"Version":"2012-10-17","Statement":` + list + `}`)
		require.Error(t, err, name)
	}
}
