package cloudsim

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// iamTimeout bounds a call; sessions wait for each other meanwhile.
const iamTimeout = 10 * time.Second

// The inline policies of a session's user.
const (
	rolePolicyName    = "role"
	sessionPolicyName = "session"
)

// versity manages users in a "versitygw iam" server. It speaks the six IAM
// calls it needs by hand; the SDK's IAM client is the largest package of all.
type versity struct {
	endpoint    string
	credentials aws.Credentials
	client      *http.Client
}

// iamError is an answer other than 200.
type iamError struct {
	Action  string
	Status  int
	Code    string `xml:"Error>Code"`
	Message string `xml:"Error>Message"`
}

func (e *iamError) Error() string {
	return fmt.Sprintf("versitygw iam %s: %d %s: %s", e.Action, e.Status, e.Code, e.Message)
}

func isNoSuchEntity(err error) bool {
	var e *iamError
	return errors.As(err, &e) && e.Code == "NoSuchEntity"
}

// createUser makes a user with the given inline policies and an access key.
func (v *versity) createUser(ctx context.Context, path, name string, policies map[string]string) (aws.Credentials, error) {
	if err := v.call(ctx, "CreateUser", url.Values{"UserName": {name}, "Path": {path}}, nil); err != nil {
		return aws.Credentials{}, err
	}
	for policy, document := range policies {
		if err := v.putPolicy(ctx, name, policy, document); err != nil {
			return aws.Credentials{}, err
		}
	}
	var created struct {
		ID     string `xml:"CreateAccessKeyResult>AccessKey>AccessKeyId"`
		Secret string `xml:"CreateAccessKeyResult>AccessKey>SecretAccessKey"`
	}
	err := v.call(ctx, "CreateAccessKey", url.Values{"UserName": {name}}, &created)
	return aws.Credentials{AccessKeyID: created.ID, SecretAccessKey: created.Secret}, err
}

func (v *versity) putPolicy(ctx context.Context, user, policy, document string) error {
	return v.call(ctx, "PutUserPolicy", url.Values{
		"UserName": {user}, "PolicyName": {policy}, "PolicyDocument": {document},
	}, nil)
}

// deleteUser removes a user with everything it has; that it is gone already is
// no error.
func (v *versity) deleteUser(ctx context.Context, name string) error {
	var keys struct {
		IDs []string `xml:"ListAccessKeysResult>AccessKeyMetadata>member>AccessKeyId"`
	}
	err := v.call(ctx, "ListAccessKeys", url.Values{"UserName": {name}}, &keys)
	if isNoSuchEntity(err) {
		return nil
	}
	if err != nil {
		return err
	}
	calls := make([]func() error, 0, len(keys.IDs)+3)
	for _, id := range keys.IDs {
		calls = append(calls, func() error {
			return v.call(ctx, "DeleteAccessKey", url.Values{"UserName": {name}, "AccessKeyId": {id}}, nil)
		})
	}
	for _, policy := range []string{rolePolicyName, sessionPolicyName} {
		calls = append(calls, func() error {
			return v.call(ctx, "DeleteUserPolicy", url.Values{"UserName": {name}, "PolicyName": {policy}}, nil)
		})
	}
	calls = append(calls, func() error {
		return v.call(ctx, "DeleteUser", url.Values{"UserName": {name}}, nil)
	})
	for _, call := range calls {
		if err := call(); err != nil && !isNoSuchEntity(err) {
			return err
		}
	}
	return nil
}

// users lists the names of all users below a path.
func (v *versity) users(ctx context.Context, path string) ([]string, error) {
	var names []string
	params := url.Values{"PathPrefix": {path}}
	for {
		var page struct {
			Names     []string `xml:"ListUsersResult>Users>member>UserName"`
			Truncated bool     `xml:"ListUsersResult>IsTruncated"`
			Marker    string   `xml:"ListUsersResult>Marker"`
		}
		if err := v.call(ctx, "ListUsers", params, &page); err != nil {
			return nil, err
		}
		names = append(names, page.Names...)
		if !page.Truncated {
			return names, nil
		}
		params.Set("Marker", page.Marker)
	}
}

func (v *versity) call(ctx context.Context, action string, params url.Values, result any) error {
	form := url.Values{"Action": {action}, "Version": {"2010-05-08"}}
	for name, values := range params {
		form[name] = values
	}
	body := []byte(form.Encode())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, v.endpoint+"/", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	if err := v4.NewSigner().SignHTTP(ctx, v.credentials, req, sha256Hex(body), "iam", "us-east-1", time.Now()); err != nil {
		return err
	}
	resp, err := v.client.Do(req)
	if err != nil {
		return fmt.Errorf("versitygw iam %s: %w", action, err)
	}
	answer, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return fmt.Errorf("versitygw iam %s: %w", action, err)
	}
	if resp.StatusCode != http.StatusOK {
		refusal := &iamError{Action: action, Status: resp.StatusCode}
		if err := xml.Unmarshal(answer, refusal); err != nil {
			refusal.Message = string(answer)
		}
		return refusal
	}
	if result == nil {
		return nil
	}
	return xml.Unmarshal(answer, result)
}
