package stack

import (
	"context"
	"strconv"

	"github.com/auditferry/auditferry/dev/tools"
)

// MailServer catches every mail and delivers none.
type MailServer struct {
	SMTP    string // host:port, without encryption and login
	Page    string // URL of the inbox
	Mails   string // URL of the inbox as JSON
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
	args := []string{
		s.tools[tools.MailDev], "--ip", "127.0.0.1", "--smtp", strconv.Itoa(smtp),
		"--web-ip", "127.0.0.1", "--web", strconv.Itoa(web), "--hide-extensions", "STARTTLS", "--silent",
	}
	if s.options.Durable {
		data, err := s.folder("mail")
		if err != nil {
			return err
		}
		args = append(args, "--mail-directory", data, "--max-emails", "0")
	}
	process, err := s.run(ctx, program{
		name: "mail", path: "node", args: args,
		ready: answers("http://" + address(web) + "/api/healthz"),
	})
	if err != nil {
		return err
	}
	s.Mail = mailServer(address(smtp), address(web))
	s.Mail.Process = process
	return nil
}

func mailServer(smtp, web string) MailServer {
	return MailServer{
		SMTP: smtp,
		// It finds no index by itself below a folder whose name begins with a
		// dot, as that of our tools does.
		Page:  "http://" + web + "/index.html",
		Mails: "http://" + web + "/api/email",
	}
}
