package portal

import "github.com/gin-gonic/gin"

func (p *Portal) registerIntegrations(pages gin.IRouter) {
}
