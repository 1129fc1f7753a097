package corpus

import "strings"

// asciiOf is what becomes of a name in an address.
func asciiOf(name string) string {
	return strings.ToLower(strings.NewReplacer(
		"ö", "oe", "ü", "ue", "é", "e", "ë", "e", "ł", "l", "ñ", "n", "ø", "o", "Ø", "o", "í", "i", "á", "a", "ś", "s", "'", "", " ", "",
		"雪", "yuki", "陈", "chen",
	).Replace(name))
}

var (
	firstNames = strings.Split("Ada,Amir,Ana,Anders,Aylin,Ben,Bianca,Bruno,Carla,Chen,Chidi,Clara,Daniel,Dara,Elif,Emeka,Emma,"+
		"Farah,Felix,Fatima,Grace,Hana,Hugo,Ines,Ivan,Jack,Jonas,José,Julia,Kai,Katarzyna,Kofi,Lars,Leila,Liam,Lucía,Maja,Marek,"+
		"Mei,Miguel,Mira,Nadia,Noah,Nora,Olga,Omar,Paul,Priya,Rafael,Ravi,Rosa,Sara,Søren,Tomás,Uma,Viktor,Wanda,Yusuf,Zoë,雪", ",")
	lastNames = strings.Split("Adeyemi,Ahmed,Almeida,Andersen,Bauer,Becker,Bianchi,Brown,Castro,Chowdhury,Costa,Diaz,Dubois,"+
		"Eriksen,Evans,Fischer,Fernández,Garcia,Gupta,Haddad,Hansen,Hernández,Hoffmann,Ibrahim,Ivanova,Jensen,Johnson,Kaya,Khan,"+
		"Kim,Kowalski,Krüger,Larsen,Lee,Lindgren,Lopez,Martin,Meyer,Moreau,Müller,Nakamura,Nguyen,Novak,O'Neil,Okafor,Olsen,"+
		"Patel,Pereira,Petrov,Popescu,Rahman,Rossi,Sato,Schmidt,Silva,Singh,Smith,Suzuki,Tanaka,Tran,Vogel,Wang,Weber,Wiśniewska,"+
		"Yamada,Yilmaz,Young,Zhang,Ødegaard,陈", ",")
	adjectives = strings.Split("annual,archived,brief,central,confidential,consolidated,current,detailed,early,external,final,"+
		"global,initial,internal,joint,late,legal,local,minor,monthly,new,obsolete,old,open,pending,planned,previous,private,public,"+
		"quarterly,regional,revised,shared,signed,simple,strategic,technical,temporary,urgent,weekly", ",")
	nouns = strings.Split("agreement,analysis,audit,backlog,board,brief,budget,campaign,catalog,checklist,contract,dashboard,"+
		"dataset,design,diagram,estimate,forecast,guideline,handbook,incident,index,inventory,invoice,ledger,letter,list,manual,"+
		"measure,memo,migration,minutes,model,notebook,offer,order,outline,plan,policy,portfolio,proposal,protocol,prototype,"+
		"questionnaire,quote,receipt,release,report,request,research,review,roadmap,rollout,runbook,sample,schedule,schema,scorecard,"+
		"shipment,sketch,spec,statement,summary,survey,template,timeline,training,transcript,translation,version,wireframe", ",")
	verbs = strings.Split("add,agree,and,answer,approve,ask,because,before,begin,build,but,call,change,check,close,compare,could,"+
		"cut,decide,deliver,describe,draft,explain,find,finish,fix,follow,for,from,give,hand,have,hold,if,improve,in,include,keep,"+
		"leave,let,look,make,mark,measure,meet,merge,move,must,need,note,of,offer,on,open,plan,please,prepare,propose,publish,read,"+
		"remove,replace,report,review,revise,run,see,send,set,share,should,show,sign,split,start,stop,take,tell,test,that,the,then,"+
		"this,to,today,track,until,update,use,verify,wait,we,when,with,write,you", ",")

	domains    = []string{"example.com", "corp.example.com", "example.org", "partner.example.net", "eu.example.com"}
	networks   = []string{"192.0", "198.51", "203.0", "198.18", "198.19", "10.4", "10.12", "172.16"}
	sdks       = []string{"go", "python", "java", "node", "ruby", "dotnet"}
	sources    = []string{"web", "ios", "android", "desktop", "api", "email"}
	fields     = []string{"title", "owner", "status", "priority", "due_date", "description", "visibility", "labels", "parent"}
	methods    = []string{"GET", "GET", "GET", "POST", "PATCH", "PUT", "DELETE"}
	statuses   = []int{200, 200, 200, 200, 201, 202, 204, 304, 400, 403, 404, 409, 429, 500}
	signIns    = []string{"sso_saml", "sso_oidc", "password", "passkey", "magic_link"}
	countries  = []string{"BR", "CA", "CH", "DE", "DK", "ES", "FR", "GB", "IN", "JP", "KR", "MX", "NG", "NL", "NO", "PL", "SE", "TR", "US"}
	mediaTypes = []string{"application/pdf", "image/png", "image/jpeg", "text/csv", "application/zip", "video/mp4", "text/plain"}
	roles      = []string{"owner", "admin", "editor", "commenter", "viewer", "guest", "billing", "auditor"}
	currencies = []string{"EUR", "USD", "GBP", "JPY", "BRL", "INR", "SEK"}
	reasons    = []string{
		"permission_denied", "not_found", "The session has expired.", "rate_limited", "The document is locked by another person.",
		"invalid_state", "quota_exceeded", "mfa_required",
	}
	userAgents = []string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.{build}.88 Safari/537.36",
		"Mozilla/5.0 (X11; Linux x86_64; rv:{version}.0) Gecko/20100101 Firefox/{version}.0",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E{build}",
		"Mozilla/5.0 (Linux; Android 15; Pixel 9) Chrome/{version}.0.{build}.99 Mobile",
		"ExampleDesktop/{version}.{build} (darwin; arm64)",
		"ExampleMobile/{version}.{build} (ios 18.3)",
	}
)
