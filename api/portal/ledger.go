package portal

import "github.com/gin-gonic/gin"

func (p *Portal) registerLedger(pages gin.IRouter) {
}
