package portal

import "github.com/gin-gonic/gin"

func (p *Portal) registerKeys(pages gin.IRouter) {
}
