package stack

import (
	"context"
	"strconv"

	"github.com/auditferry/auditferry/dev/tools"
)

// MailServer catches every mail and delivers none.
type MailServer struct {
	SMTP    string // host:port, without encryption and login
	Page    string // URL of the inbox; the REST API is at Page + "/api/email"
	Process *Process
}

func (s *Stack) startMail(ctx context.Context) error {
	smtp, err := s.ports.take(PortSMTP)
	if err != nil {
		return err
	}
	web, err := s.ports.take(PortMail)
	if err != nil {
		return err
	}
	page := "http://" + address(web)
	process, err := s.run(ctx, program{
		name: "mail", path: "node",
		args: []string{
			s.tools[tools.MailDev], "--ip", "127.0.0.1", "--smtp", strconv.Itoa(smtp),
			"--web-ip", "127.0.0.1", "--web", strconv.Itoa(web), "--hide-extensions", "STARTTLS", "--silent",
		},
		ready: answers(page + "/api/healthz"),
	})
	if err != nil {
		return err
	}
	s.Mail = MailServer{SMTP: address(smtp), Page: page, Process: process}
	return nil
}
