package portal

import "github.com/gin-gonic/gin"

func (p *Portal) registerEvents(pages gin.IRouter) {
}
