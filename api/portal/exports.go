package portal

import "github.com/gin-gonic/gin"

func (p *Portal) registerExports(pages gin.IRouter) {
}
